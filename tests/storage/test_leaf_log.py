"""The log as files: cut, torn, altered, killed between any two steps; an index that is lost is made again."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.ledger.leaves import Leaf
from earshot.ports.ledger import LedgerBroken
from earshot.storage.keys import ledger_key, vcon_key
from earshot.storage.leaf_log import FileLeafLog
from earshot.storage.leaf_records import MAGIC, NotWhole, read_records, record


def leaf(number: int) -> Leaf:
    return Leaf(kind="sealed", subject=f"recording {number}", key=f"sealed/{number}", row=number, at_us=number)


@asynccontextmanager
async def opened(folder: Path, signed: int = 0) -> AsyncIterator[FileLeafLog]:
    log = FileLeafLog(folder)
    await log.open(signed)
    try:
        yield log
    finally:
        await log.close()


async def filled(folder: Path, count: int = 5) -> bytes:
    """A log of so many leaves, closed; returns its root."""
    async with opened(folder) as log:
        await log.append([leaf(number) for number in range(1, count + 1)])
        return await log.root(count)


async def test_it_is_there_after_a_restart_and_grows_on(tmp_path: Path) -> None:
    root = await filled(tmp_path)
    async with opened(tmp_path, signed=5) as log:
        assert (log.broken, await log.size(), await log.root(5)) == ("", 5, root)
        assert await log.append([leaf(5), leaf(6)]) == [4, 5]
    for name in ("log", "index.db"):
        assert (tmp_path / name).stat().st_size


async def test_a_lost_or_spoilt_index_is_made_again(tmp_path: Path) -> None:
    root = await filled(tmp_path)
    for spoilt in (b"", b"no database" * 500):
        (tmp_path / "index.db").write_bytes(spoilt)
        for leftover in tmp_path.glob("index.db-*"):
            leftover.unlink()
        async with opened(tmp_path, signed=5) as log:
            assert (log.broken, await log.root(5)) == ("", root)


@pytest.mark.parametrize("cut", [1, 7, 9, 20])
async def test_a_torn_end_is_cut_and_nothing_else(tmp_path: Path, cut: int) -> None:
    """A process that died while it wrote: the index does not know of the record."""
    root = await filled(tmp_path, 4)
    with (tmp_path / "log").open("ab") as file:
        file.write(record(leaf(5).text())[:cut])
    async with opened(tmp_path, signed=4) as log:
        assert (log.broken, await log.size(), await log.root(4)) == ("", 4, root)
        assert await log.append([leaf(5)]) == [4]
    async with opened(tmp_path) as log:
        assert await log.size() == 5


async def test_what_was_written_before_the_index_knew_is_kept(tmp_path: Path) -> None:
    await filled(tmp_path, 4)
    with (tmp_path / "log").open("ab") as file:
        file.write(record(leaf(5).text()) + record(leaf(6).text())[:-1])
    async with opened(tmp_path, signed=4) as log:
        assert (log.broken, await log.size(), await log.number_of("sealed/5")) == ("", 5, 4)


async def test_a_log_that_was_cut_takes_nothing_more(tmp_path: Path) -> None:
    await filled(tmp_path)
    os.truncate(tmp_path / "log", (tmp_path / "log").stat().st_size - 3)
    async with opened(tmp_path, signed=5) as log:
        assert "was cut" in log.broken
        with pytest.raises(LedgerBroken, match="was cut"):
            await log.append([leaf(6)])


async def test_a_log_that_was_cut_with_its_index_is_seen_by_what_was_signed(tmp_path: Path) -> None:
    await filled(tmp_path, 4)
    async with opened(tmp_path, signed=5) as log:
        assert "4 leaves, 5 were signed" in log.broken


async def test_a_new_log_where_one_was_signed_is_no_log(tmp_path: Path) -> None:
    async with opened(tmp_path / "empty", signed=5) as log:
        assert log.broken


async def test_a_full_disk_leaves_no_half_leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    async with opened(tmp_path) as log:
        await log.append([leaf(1)])
        before = (tmp_path / "log").stat().st_size
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            with pytest.raises(OSError, match="No space"):
                await log.append([leaf(2)])
        assert (tmp_path / "log").stat().st_size == before
        assert await log.append([leaf(3)]) == [1]
    async with opened(tmp_path) as log:
        assert (log.broken, await log.size()) == ("", 2)


async def test_reading_beside_a_server(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        await log.append([leaf(1)])
        beside = FileLeafLog(tmp_path, read_only=True)
        await beside.open()
        assert Leaf.read(await beside.text(0)) == leaf(1)
        with pytest.raises(LedgerBroken, match="read only"):
            await beside.append([leaf(2)])
        await beside.close()


@given(st.data())
def test_any_altered_byte_of_the_records_is_seen(data: st.DataObject) -> None:
    texts = [leaf(number).text() for number in range(1, 5)]
    whole = bytearray(MAGIC + b"".join(map(record, texts)))
    place = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotWhole):
        list(read_records(lambda at, count: bytes(whole[at : at + count]), len(MAGIC)))


def test_keys_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.pem"
    made = ledger_key(path, make=True)
    assert ledger_key(path, make=True).private_bytes_raw() == made.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["ledger.pem"]
    key, chain = vcon_key(path.parent / "vcon.pem", "recorder.example")
    assert vcon_key(path.parent / "vcon.pem", "recorder.example")[1] == chain
    assert chain[0].public_key() == key.public_key()
