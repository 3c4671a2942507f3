"""Encrypted files against plain ones: what is read is what was written, and nothing that was altered is read at all."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.vault import Altered, KeyDestroyed, KeyMissing, VaultError, WrongKey
from earshot.vault.files import create, opened, plain_size, read_growing, written_upto
from earshot.vault.keyring import Keyring
from earshot.vault.overwriting import discard
from earshot.vault.sealed_file import BLANK, CHUNK_BYTES, HEADER_BYTES, SLOTS, Header, stored_size

KEYRING = Keyring((b"m" * 32,))
OTHER = Keyring((b"o" * 32,))
SIZES = [0, 1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 77]


def noise(size: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(251)) * (size // 251) + bytes(range(size % 251))


def written(path: Path, content: bytes, name: str = "", keys: Keyring | bytes = KEYRING) -> Path:
    with create(path, keys, name) as file:
        file.write(content)
    return path


def read(path: Path, name: str = "", keys: Keyring | bytes | None = KEYRING) -> bytes:
    with opened(path, keys, name) as file:
        return file.read()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read(tmp_path: Path, size: int) -> None:
    content = noise(size)
    path = written(tmp_path / "a", content)
    assert read(path) == content
    assert plain_size(path, KEYRING) == size
    assert path.stat().st_size == stored_size(size)
    assert not size or content[:40] not in path.read_bytes() or size < 40


def test_without_keys_files_are_plain(tmp_path: Path) -> None:
    with create(tmp_path / "a", None) as file:
        file.write(b"plain")
    assert (tmp_path / "a").read_bytes() == b"plain"
    assert read(tmp_path / "a", keys=None) == read(tmp_path / "a") == b"plain"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_writing_here_and_there_is_as_in_a_plain_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    steps = data.draw(
        st.lists(st.tuples(st.floats(0, 1), st.integers(0, 150_000), st.booleans()), min_size=1, max_size=8)
    )
    with create(folder / "a", KEYRING) as file, (folder / "b").open("w+b") as plain:
        size = 0
        for number, (where, length, at_end) in enumerate(steps):
            at = size if at_end else int(where * size)
            piece = bytes([number + 1]) * length
            for one in (file, plain):
                one.seek(at)
                one.write(piece)
                assert one.tell() == at + length
            size = max(size, at + length)
    expected = (folder / "b").read_bytes()
    assert read(folder / "a") == expected
    start, length = data.draw(st.integers(0, size + 10)), data.draw(st.integers(0, 200_000))
    with opened(folder / "a", KEYRING) as file:
        file.seek(start)
        assert file.read(length) == expected[start : start + length]


def test_a_growing_file_is_read_as_far_as_its_chunks_are_whole(tmp_path: Path) -> None:
    content, key = noise(3 * CHUNK_BYTES + 5), b"k" * 32
    path = tmp_path / "a"
    with create(path, key) as file:
        file.write(content[: 2 * CHUNK_BYTES + 9])
        ready = written_upto(file)
        assert ready == 2 * CHUNK_BYTES
        handle = os.open(path, os.O_RDONLY)
        got = b""
        while len(got) < ready:
            got += read_growing(handle, key, len(content), len(got), ready)
        assert got == content[:ready]
        file.write(content[2 * CHUNK_BYTES + 9 :])
    assert read_growing(handle, key, len(content), 3 * CHUNK_BYTES + 2, len(content)) == content[3 * CHUNK_BYTES + 2 :]
    os.close(handle)
    assert read(path, keys=key) == content
    with pytest.raises(KeyDestroyed):
        read(path)


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    whole = written(tmp_path / "a", b"thirty bytes of a conversation", "day/a.wav").read_bytes()
    path = tmp_path / "a"
    handle = os.open(path, os.O_WRONLY)
    for at in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[at] ^= 0x21
        if at:
            os.pwrite(handle, whole[at - 1 : at], at - 1)
        os.pwrite(handle, spoilt[at : at + 1], at)
        if at < len(b"EARSHOTE"):
            assert read(path) == spoilt  # no encrypted file any more: what is in it is seen to be wrong by its hash
        elif at < SLOTS[1]:
            with pytest.raises(VaultError):
                read(path, "day/a.wav")
        elif at < HEADER_BYTES:
            # the spare slot: what was sealed can be read, and the check says that something is wrong
            assert read(path, "day/a.wav") == b"thirty bytes of a conversation"
            assert Header.read(bytes(spoilt)).problem(KEYRING)
        else:
            with pytest.raises(Altered):
                read(path, "day/a.wav")
    os.close(handle)
    assert not Header.read(whole).problem(KEYRING)


@pytest.mark.parametrize("cut", [0, 1, 4, 100, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 40, -1, -100])
def test_what_was_cut_is_not_read(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "a", noise(2 * CHUNK_BYTES))
    path.write_bytes(path.read_bytes()[:cut])
    if cut >= 8 or cut < 0:
        with pytest.raises(Altered):
            read(path)
    else:
        assert len(read(path)) == cut


def test_what_was_extended_or_put_in_another_order_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a", noise(2 * CHUNK_BYTES))
    whole = path.read_bytes()
    half = HEADER_BYTES + (len(whole) - HEADER_BYTES) // 2
    for spoilt in (whole + b"x", whole[:HEADER_BYTES] + whole[half:] + whole[HEADER_BYTES:half]):
        path.write_bytes(spoilt)
        with pytest.raises(Altered):
            read(path)


def test_a_file_belongs_to_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"secret", "day/a.wav")
    assert read(path, "day/a.wav") == read(path) == b"secret"
    with pytest.raises(Altered, match=r"day/b.wav"):
        read(path, "day/b.wav")


def test_chunks_of_another_file_are_not_read(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, noise(1000)) for name in "ab")
    one.write_bytes(one.read_bytes()[:HEADER_BYTES] + two.read_bytes()[HEADER_BYTES:])
    with pytest.raises(Altered):
        read(one)


def test_keys_that_are_wrong_missing_or_destroyed_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"secret")
    with pytest.raises(WrongKey, match=KEYRING.current) as wrong:
        read(path, keys=OTHER)
    assert wrong.value.fingerprint == KEYRING.current
    assert OTHER.current in str(wrong.value)
    with pytest.raises(KeyMissing, match=KEYRING.current):
        read(path, keys=None)
    assert read(path, keys=Keyring((*OTHER.keys, *KEYRING.keys))) == b"secret"
    with path.open("r+b") as file:
        file.seek(SLOTS[0])
        file.write(BLANK + BLANK)
    with pytest.raises(KeyDestroyed):
        read(path)


def test_what_is_written_anew_or_discarded_leaves_no_key(tmp_path: Path) -> None:
    path = written(tmp_path / "a", b"first")
    with path.open("rb") as first:
        written(path, b"second")
        assert not any(first.read(HEADER_BYTES)[SLOTS[0] :])
    with path.open("rb") as second:
        discard(path)
        discard(path)
        assert not any(second.read(HEADER_BYTES)[SLOTS[0] :])
    assert not path.exists()


def test_what_fails_half_way_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(RuntimeError), create(path, KEYRING) as file:
        file.write(noise(CHUNK_BYTES + 3))
        raise RuntimeError
    with pytest.raises(OSError, match=r"cut|no encrypted"):
        Header.read(path.read_bytes()[:HEADER_BYTES])
