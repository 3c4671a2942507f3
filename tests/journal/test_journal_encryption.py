"""An encrypted journal: nothing of it is readable without the key, and what is redacted stays redacted."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.journal.journal_keys import NEXT_RING, OTHER_RING, RING, Wrap
from tests.journal.killing import killed_at_every_step

from earshot.clock import FakeClock
from earshot.journal import reader
from earshot.journal.carry import carry_segments
from earshot.journal.check import check
from earshot.journal.cipher import JournalLocked, Keystream
from earshot.journal.format import (
    HEADER_BYTES,
    KEY_BLOCK_BYTES,
    PACKET,
    JournalDamaged,
    carry_path,
    pack_segment_header,
    segment_begins,
    segment_numbers,
    segment_path,
)
from earshot.journal.key_block import SLOT_BYTES, destroy_keys, pack_key_block, slots
from earshot.journal.reader import LegPackets, iter_leg, read_leg
from earshot.journal.recovery import recover
from earshot.journal.redaction import redact_leg
from earshot.journal.rewrap import rewrap, wrapped_keys
from earshot.journal.scan import BatchView, map_file, scan_carry, scan_segment
from earshot.journal.upkeep import Upkeep
from earshot.journal.writer import JournalSettings, JournalWriter
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

SMALL = JournalSettings(flush_interval_s=60, segment_bytes=64)
"""Each flush makes a segment of its own."""
HEADER = bytes([0x80, 0, *b"Headerhere"])
PATTERN = b"4929 0000 0000 0006"

encrypted = pytest.mark.parametrize("wrap", [RING], indirect=True, ids=["encrypted"])
both = pytest.mark.parametrize("wrap", [None, RING], indirect=True, ids=["plain", "encrypted"])


def packet(number: int) -> bytes:
    return HEADER + PATTERN + b"%06d" % number


def contents(read: LegPackets) -> list[bytes]:
    return [read.packet(index) for index in range(len(read.lengths))]


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


async def speak(writer: JournalWriter, clock: FakeClock, numbers: range) -> None:
    """One event, and one packet of leg 1, per segment, ten seconds apart."""
    for number in numbers:
        writer.append_event({"number": number, "text": PATTERN.decode()})
        writer.append_packets(1, [writer.time.now_us()], [packet(number)])
        await writer.sync()
        clock.advance(10)


@both
async def test_no_plain_text_is_in_any_file(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, wrap: Wrap
) -> None:
    async with open_journal(tmp_path, SMALL, lambda: [{"state": "held by " + PATTERN.decode()}]) as writer:
        await speak(writer, fake_clock, range(6))
        carry_segments(tmp_path, [1, 2, 3], [1], wrap)
        tail = writer.leg_tail(1)
    found = on_disk(tmp_path)
    for secret in (PATTERN, HEADER[2:], b"held by", b"number"):
        assert (secret in found) == (wrap is None), secret
    assert recover(tmp_path, wrap=wrap).events == [{"state": "held by " + PATTERN.decode()}]
    assert contents(read_leg(tmp_path, 1, tail, wrap)) == [packet(number) for number in range(6)]


@encrypted
async def test_the_same_sound_looks_different_in_each_segment(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        for _ in range(2):
            writer.append_packets(1, [writer.time.now_us()], [packet(0)])
            await writer.sync()
    first, second = (segment_path(tmp_path, number).read_bytes() for number in (1, 2))
    assert len(first) == len(second) and first[-len(packet(0)) :] != second[-len(packet(0)) :]


@encrypted
@pytest.mark.parametrize(("ring", "why"), [(None, "no master key is set"), (OTHER_RING, RING.current)])
async def test_without_its_key_nothing_is_read_and_nothing_is_changed(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, ring: Wrap, why: str
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(3))
        carry_segments(tmp_path, [1], [1], RING)
        tail = writer.leg_tail(1)
    with segment_path(tmp_path, 3).open("ab") as torn:
        torn.write(b"EBAT and no more")
    before = on_disk(tmp_path)
    with pytest.raises(JournalLocked, match=f"segment 1 is encrypted.*{why}"):
        recover(tmp_path, wrap=ring)
    with pytest.raises(JournalLocked, match=why):
        check(tmp_path, wrap=ring)
    with pytest.raises(JournalLocked, match=f"carry/1.leg, byte 0, is encrypted.*{why}"):
        read_leg(tmp_path, 1, tail, ring)
    assert on_disk(tmp_path) == before


async def test_plain_and_encrypted_segments_side_by_side(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, wrap: Wrap
) -> None:
    """A journal that was begun the other way goes on this way: with the key, all of it is read."""
    plain = wrap is None
    settings = JournalSettings(flush_interval_s=60)
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(3))
        carry_segments(tmp_path, [1, 2], [1], wrap)
    found = recover(tmp_path, wrap=RING)
    other = JournalWriter(
        tmp_path,
        time=writer.time,
        random_u32=lambda: 9,
        recovered=found,
        settings=settings,
        wrap=RING if plain else None,
    )
    await _write_on(other, fake_clock)
    carry_segments(tmp_path, [3, 4], [1], RING)
    expected = [packet(number) for number in range(6)]
    after = recover(tmp_path, wrap=RING)
    assert after.problems == [] and [event["number"] for event in after.events] == list(range(6))
    assert contents(read_leg(tmp_path, 1, after.legs[1].tail, RING)) == expected
    assert [packet for part in iter_leg(tmp_path, 1, after.legs[1].tail, 20, RING) for packet in contents(part)] == (
        expected
    )
    assert check(tmp_path, wrap=RING) == []
    kept = carry_path(tmp_path, 1)
    assert [block.keyed for block in scan_carry(map_file(kept), 1)] == [not plain, True]
    for number in (1, 2, 3, 4):
        segment_path(tmp_path, number).unlink()
    assert contents(read_leg(tmp_path, 1, recover(tmp_path, wrap=RING).legs[1].tail, RING)) == expected


async def _write_on(writer: JournalWriter, clock: FakeClock) -> None:
    spawner = Spawner()
    await writer.start(spawner)
    await speak(writer, clock, range(3, 6))
    await writer.close()
    await spawner.close()


def redacted_bytes(directory: Path) -> list[bytes]:
    """What lies on disk in the places of packets that are flagged as redacted, after their RTP headers."""
    found = []
    views: list[Any] = []
    for number in range(1, 7):
        data = map_file(segment_path(directory, number))
        views += [item for item in scan_segment(data, number) if isinstance(item, BatchView)]
    views += list(scan_carry(map_file(carry_path(directory, 1)), 1))
    for view in views:
        headers = np.frombuffer(view.data, PACKET, view.packet_count, view.headers_offset)
        at = view.payload_offset
        for header in headers:
            if header["flags"]:
                found.append(bytes(view.data[at + 12 : at + int(header["length"])]))
            at += int(header["length"])
    return found


@encrypted
async def test_a_redaction_killed_anywhere_shows_sound_or_silence_and_no_keystream(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, wrap: Wrap
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        start = writer.time.now_us()
        await speak(writer, fake_clock, range(6))
        tail = writer.leg_tail(1)
    carry_segments(source, [1, 2, 3], [1], wrap)
    old = on_disk(source)
    span = start + 5_000_000, start + 45_000_000
    silent = [packet(0), *(HEADER + bytes(len(packet(0)) - 12) for _ in range(4)), packet(5)]

    def verify(directory: Path) -> None:
        for whole, hushed, read in zip(
            map(packet, range(6)), silent, contents(read_leg(directory, 1, tail, wrap)), strict=True
        ):
            assert read in (whole, hushed)
        assert recover(directory, wrap=wrap).problems == []
        assert redact_leg(directory, 1, tail, *span) == 6
        assert contents(read_leg(directory, 1, tail, wrap)) == silent
        assert check(directory, wrap=wrap) == []
        assert redacted_bytes(directory) == [bytes(len(packet(0)) - 12)] * 6
        # What is carried after a redaction, under a new key, is silent too.
        carry_segments(directory, [4, 5, 6], [1], wrap)
        assert contents(read_leg(directory, 1, tail, wrap)) == silent

    assert killed_at_every_step(monkeypatch, source, lambda path: redact_leg(path, 1, tail, *span), verify) > 10
    assert on_disk(source) == old


@encrypted
async def test_what_is_redacted_while_it_is_read_is_no_keystream(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        start = writer.time.now_us()
        await speak(writer, fake_clock, range(1))
        tail = writer.leg_tail(1)
    fill = reader._fill
    redacted: list[int] = []

    def fill_and_redact(*arguments: Any) -> None:
        fill(*arguments)
        monkeypatch.setattr(reader, "_fill", fill)
        redacted.append(redact_leg(tmp_path, 1, tail, start, start + 1))

    monkeypatch.setattr(reader, "_fill", fill_and_redact)
    (read,) = contents(read_leg(tmp_path, 1, tail, RING))
    assert redacted == [1] and read in (packet(0), HEADER + bytes(len(packet(0)) - 12))


@encrypted
async def test_redaction_needs_no_key(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        upkeep = Upkeep(writer)
        start = writer.time.now_us()
        await speak(writer, fake_clock, range(4))
        tail = writer.leg_tail(1)
        assert redact_leg(tmp_path, 1, tail, start, start + 15_000_000) == 2
        upkeep.release_leg(1)
        assert await upkeep.redact_released(start + 15_000_000, start + 25_000_000) == 1
        upkeep.close()
    hushed = HEADER + bytes(len(packet(0)) - 12)
    assert contents(read_leg(tmp_path, 1, tail, RING)) == [hushed, hushed, hushed, packet(3)]
    assert check(tmp_path, [], wrap=RING) == []


@encrypted
async def test_a_flag_that_no_redaction_set_is_found(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(2))
    path = segment_path(tmp_path, 1)
    batch = next(item for item in scan_segment(map_file(path), 1) if isinstance(item, BatchView))
    raw = bytearray(path.read_bytes())
    raw[batch.headers_offset + 6] = 1
    path.write_bytes(raw)
    assert check(tmp_path, wrap=RING) == [
        f"segment 1, batch at byte {batch.offset}: the payload does not have its checksum"
    ]


@encrypted
async def test_what_replaces_an_unfinished_carry_block_has_another_key(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    """Else two sounds would lie in the same place under the same keystream, and give each other away."""
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(4))
        tail = writer.leg_tail(1)
    carry_segments(tmp_path, [1, 2], [1], RING)
    path = carry_path(tmp_path, 1)
    first = wrapped_keys(tmp_path)[-1]
    os.truncate(path, path.stat().st_size - 8)
    carry_segments(tmp_path, [1, 2, 3], [1], RING)
    keys = wrapped_keys(tmp_path)
    assert len(keys) == 5 and first not in keys
    assert len({RING.unwrap(key) for key in [first, *keys]}) == 6
    assert contents(read_leg(tmp_path, 1, tail, RING)) == [packet(number) for number in range(4)]


@encrypted
@pytest.mark.parametrize("size", [HEADER_BYTES, HEADER_BYTES + 1, segment_begins(True) - 200, segment_begins(True)])
async def test_an_encrypted_segment_that_was_just_begun(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, size: int
) -> None:
    """Its header is there, and of its key block nothing, a part, or zeros; or all, and no batch yet."""
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(1))
    begin = pack_segment_header(2, writer.time.now_us(), 5, keyed=True) + pack_key_block(RING.fresh()[1])
    second = segment_path(tmp_path, 2)
    for torn in (begin[:size], begin[:size].ljust(len(begin), b"\0")):
        second.write_bytes(torn)
        found = recover(tmp_path, wrap=RING)
        assert found.problems == [] and len(found.events) == 1
        assert second.exists() == (torn == begin)
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(1, 2))
    assert [event["number"] for event in recover(tmp_path, wrap=RING).events] == [0, 1]
    assert check(tmp_path, wrap=RING) == []


@encrypted
async def test_a_damaged_key_block_is_said_and_the_rest_is_kept(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(4))
        carry_segments(tmp_path, [1], [1], RING)
        tail = writer.leg_tail(1)
    path = segment_path(tmp_path, 2)
    raw = bytearray(path.read_bytes())
    raw[HEADER_BYTES + 20] ^= 1
    path.write_bytes(raw)
    found = recover(tmp_path, wrap=RING)
    assert found.problems == ["segment 2 has no valid key block"]
    assert [event["number"] for event in found.events] == [0, 2, 3]
    assert "segment 2 has no valid key block" in check(tmp_path, wrap=RING)
    with pytest.raises(JournalDamaged, match="segment 2 has no valid key block"):
        read_leg(tmp_path, 1, tail, RING)
    carried = carry_path(tmp_path, 1)
    raw = bytearray(carried.read_bytes())
    raw[HEADER_BYTES + 20] ^= 1
    carried.write_bytes(raw)
    assert "carry/1.leg, byte 0, has no valid key block" in check(tmp_path, wrap=RING)


@encrypted
async def test_a_new_master_key_killed_at_every_step(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    async with open_journal(source, SMALL) as writer:
        await speak(writer, fake_clock, range(3))
        tail = writer.leg_tail(1)
        carry_segments(source, [1], [1], RING)
        carry_segments(source, [2], [1], RING)
    only_new = Keyring(NEXT_RING.keys[:1])
    expected = [packet(number) for number in range(3)]

    def verify(directory: Path) -> None:
        assert contents(read_leg(directory, 1, tail, NEXT_RING)) == expected
        left = sum(not NEXT_RING.is_current(wrapped) for wrapped in wrapped_keys(directory))
        assert rewrap(directory, NEXT_RING) <= left
        assert rewrap(directory, NEXT_RING) == 0
        assert len(wrapped_keys(directory)) == 5
        assert all(map(NEXT_RING.is_current, wrapped_keys(directory)))
        assert contents(read_leg(directory, 1, tail, only_new)) == expected
        assert recover(directory, wrap=only_new).problems == [] and check(directory, wrap=only_new) == []
        assert bytes.fromhex(RING.current) not in on_disk(directory)

    assert len(wrapped_keys(source)) == 5
    assert killed_at_every_step(monkeypatch, source, lambda path: rewrap(path, NEXT_RING), verify) > 10


@encrypted
async def test_a_key_slot_torn_at_any_byte_leaves_the_other(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(1))
    path = segment_path(tmp_path, 1)
    old = path.read_bytes()
    assert rewrap(tmp_path, NEXT_RING) == 1
    new = path.read_bytes()
    first, second = (slice(HEADER_BYTES + SLOT_BYTES * slot, HEADER_BYTES + SLOT_BYTES * (slot + 1)) for slot in (0, 1))
    assert slots(new[HEADER_BYTES:])[0] is None, "the old wrapping was blanked"
    for cut in range(0, SLOT_BYTES + 1, 3):
        writing, blanking = bytearray(old), bytearray(new)
        writing[second] = new[second][:cut] + old[second][cut:]
        blanking[first] = new[first][:cut] + old[first][cut:]
        for torn in (writing, blanking):
            path.write_bytes(torn)
            assert [event["number"] for event in recover(tmp_path, wrap=NEXT_RING).events] == [0]
            rewrap(tmp_path, NEXT_RING)
            assert all(map(NEXT_RING.is_current, wrapped_keys(tmp_path)))


@encrypted
async def test_what_is_removed_loses_its_key_first(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    """Seen through second names of the same files, which stay."""
    journal, seen = tmp_path / "journal", tmp_path / "seen"
    seen.mkdir()
    async with open_journal(journal, SMALL, lambda: [{"state": 1}]) as writer:
        upkeep = Upkeep(writer, carry_after_s=25)
        await speak(writer, fake_clock, range(6))
        carry_segments(journal, [1, 2], [1], RING)
        for path in (segment_path(journal, 1), carry_path(journal, 1)):
            os.link(path, seen / path.name)
        upkeep.release_leg(1)
        await upkeep.round()
        upkeep.close()
    assert not segment_path(journal, 1).exists() and not carry_path(journal, 1).exists()
    for path in seen.iterdir():
        raw = path.read_bytes()
        assert len(raw) > segment_begins(True)
        assert raw[HEADER_BYTES : segment_begins(True)] == bytes(KEY_BLOCK_BYTES), path.name


@encrypted
async def test_a_segment_that_lost_its_key_and_was_not_yet_removed_is_not_missed(
    tmp_path: Path, open_journal: Any, fake_clock: FakeClock
) -> None:
    async with open_journal(tmp_path, SMALL, lambda: [{"state": 1}]) as writer:
        await speak(writer, fake_clock, range(2))
        writer.forget_leg(1)
        writer.append_packets(2, [writer.time.now_us()], [packet(9)])
        await writer.sync()
    destroy_keys(segment_path(tmp_path, 1), [HEADER_BYTES])
    found = recover(tmp_path, wrap=RING)
    assert found.problems == [] and found.events == [{"state": 1}] and found.legs.keys() == {2}
    assert check(tmp_path, wrap=RING) == []
    assert rewrap(tmp_path, RING) == 0
    async with open_journal(tmp_path, SMALL, lambda: [{"state": 1}]) as writer:
        upkeep = Upkeep(writer)
        await speak(writer, fake_clock, range(1))
        await upkeep.round()
        upkeep.close()
    assert segment_numbers(tmp_path) == [3, 4]
    assert rewrap(tmp_path, NEXT_RING) == 2


@encrypted
async def test_a_missing_old_master_key_is_named(tmp_path: Path, open_journal: Any, fake_clock: FakeClock) -> None:
    async with open_journal(tmp_path, SMALL) as writer:
        await speak(writer, fake_clock, range(1))
    before = on_disk(tmp_path)
    with pytest.raises(JournalLocked, match=RING.current):
        rewrap(tmp_path, OTHER_RING)
    assert on_disk(tmp_path) == before


@pytest.mark.parametrize("offset", [0, 1, 15, 16, 17, 12345])
def test_any_place_of_the_keystream_is_reached_at_once(offset: int) -> None:
    whole = Keystream(RING.keys[0]).applied(bytes(3_000_000), 0)
    stream = Keystream(RING.keys[0])
    size = 2_500_000
    place = bytearray(size)
    stream.apply(memoryview(place), offset)
    assert place == whole[offset : offset + size]
    assert stream.covered(memoryview(bytes(100)), offset) == whole[offset : offset + 100]
    assert stream.applied(whole[offset : offset + 40], offset) == bytes(40)
