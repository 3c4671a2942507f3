"""CAV: what was written is read back, by others too, and not one byte can be altered, moved or cut off unnoticed."""

import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from earshot.cli import cli
from earshot.errors import BadInput
from earshot.media.export_task import ExportTask, SourceFile, perform, size_of
from earshot.media.formats.cav.container import CavReader, Content, cav_of, cav_size
from earshot.media.formats.cav.sealed import (
    CHUNK_BYTES,
    HEADER_BYTES,
    TAG_BYTES,
    Decrypted,
    Slowness,
    WrongPassword,
    encrypted,
    encrypted_size,
)
from earshot.media.formats.wav import WavWriter
from earshot.media.formats.zip import Member, ZipLayout, read_zip

FAST = Slowness(log2_n=4)
CREATED = "2026-11-22T09:30:14Z"


def contents(audio: bytes = b"RIFF and so on") -> list[Content]:
    files = {"metadata.json": b'{"ident": 7}', "metadata.xml": b"<recording/>", "audio.wav": audio}
    return [Content(name, len(data), lambda data=data: [data[:5], data[5:]]) for name, data in files.items()]  # type: ignore[misc]


def plain(audio: bytes = b"RIFF and so on") -> bytes:
    data = b"".join(cav_of(CREATED, [7], contents(audio)))
    assert len(data) == cav_size(CREATED, [7], contents(audio))
    return data


def locked(data: bytes, password: str = "secret") -> bytes:
    made = b"".join(encrypted([data[:10], data[10:]], password, FAST))
    assert len(made) == encrypted_size(len(data))
    return made


def is_sound(data: bytes) -> bool:
    """Whether a CAV is found unaltered."""
    try:
        return not CavReader(io.BytesIO(data)).problems()
    except BadInput:
        return False


def test_any_zip_program_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(plain())) as packed:
        assert packed.testzip() is None
        assert packed.namelist() == ["metadata.json", "metadata.xml", "audio.wav", "manifest.json"]
        assert packed.getinfo("audio.wav").date_time == (2026, 11, 22, 9, 30, 14)
        said = json.loads(packed.read("manifest.json"))
    assert (said["format"], said["version"], said["created"], said["recordings"]) == ("earshot-cav", 1, CREATED, [7])


PLAIN = plain()


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_every_altered_byte_of_a_plain_one_is_found(place: int, change: int) -> None:
    altered = bytearray(PLAIN)
    altered[place] ^= change
    assert not is_sound(bytes(altered))


def test_every_single_byte_in_turn() -> None:
    assert is_sound(PLAIN)
    for place in range(len(PLAIN)):
        altered = bytearray(PLAIN)
        altered[place] ^= 0x41
        assert not is_sound(bytes(altered)), place


@given(st.binary(max_size=2000))
def test_junk_is_no_cav(data: bytes) -> None:
    assert not is_sound(data)


@given(st.integers(0, len(PLAIN) - 1))
def test_a_cut_off_or_prolonged_one_is_found(place: int) -> None:
    assert not is_sound(PLAIN[:place])
    assert not is_sound(PLAIN + PLAIN[place:])


SECRET = bytes(range(256)) * (CHUNK_BYTES * 5 // 512)
LOCKED = locked(SECRET)


def opened(data: bytes, password: str = "secret") -> bytes:
    return Decrypted(io.BytesIO(data), password).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_what_was_encrypted_comes_back(size: int) -> None:
    assert opened(locked(SECRET[:size])) == SECRET[:size]


def test_it_is_read_from_anywhere() -> None:
    file = Decrypted(io.BytesIO(LOCKED), "secret")
    for place in (0, CHUNK_BYTES - 3, 2 * CHUNK_BYTES, len(SECRET) - 4):
        file.seek(place)
        assert file.read(7) == SECRET[place : place + 7]
    assert file.seek(-4, 2) == len(SECRET) - 4


def test_a_wrong_password_is_told() -> None:
    with pytest.raises(WrongPassword, match="the password is wrong"):
        opened(LOCKED, "Secret")


@given(st.one_of(st.integers(0, HEADER_BYTES - 1), st.integers(0, len(LOCKED) - 1)), st.integers(1, 255))
@settings(max_examples=200)
def test_every_altered_byte_of_an_encrypted_one_is_found(place: int, change: int) -> None:
    altered = bytearray(LOCKED)
    # What scrypt shall cost is bounded when it is read, but in this test it shall stay cheap.
    if place == 8 and (altered[8] ^ change) > 12:
        return
    altered[place] ^= change
    with pytest.raises(BadInput):
        opened(bytes(altered))


STEP = CHUNK_BYTES + TAG_BYTES


@pytest.mark.parametrize(
    "altered",
    [
        LOCKED[: HEADER_BYTES + STEP],
        LOCKED[: HEADER_BYTES + 2 * STEP],
        LOCKED[:-1],
        LOCKED[:HEADER_BYTES],
        LOCKED[: HEADER_BYTES - 1],
        LOCKED + b"\0",
        LOCKED + LOCKED[-STEP:],
        LOCKED[:HEADER_BYTES] + LOCKED[HEADER_BYTES + STEP :],
        LOCKED[:HEADER_BYTES]
        + LOCKED[HEADER_BYTES + STEP : HEADER_BYTES + 2 * STEP]
        + LOCKED[HEADER_BYTES : HEADER_BYTES + STEP]
        + LOCKED[HEADER_BYTES + 2 * STEP :],
    ],
    ids=["one", "two", "less", "head", "no_head", "zero", "twice", "without_first", "swapped"],
)
def test_cut_moved_or_prolonged_chunks_are_found(altered: bytes) -> None:
    with pytest.raises(BadInput):
        opened(altered)


def test_an_impossible_cost_is_refused_before_it_is_paid() -> None:
    with pytest.raises(BadInput, match="1 GB"):
        opened(LOCKED[:8] + bytes([30]) + LOCKED[9:])


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=5))
def test_zip64_by_another_reader(sizes: list[int]) -> None:
    """32 bits end at 1,000 here: sizes and offsets beyond go into the ZIP64 fields."""
    layout = ZipLayout((2026, 1, 2, 3, 4, 6), most=1000)
    bodies = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    members = [Member(f"{n}.bin", len(body), zlib.crc32(body)) for n, body in enumerate(bodies)]
    data = b"".join(layout.before(member) + body for member, body in zip(members, bodies, strict=True))
    data += layout.after(members)
    assert len(data) == layout.size(members)
    assert [one.member for one in read_zip(io.BytesIO(data), most=1000)] == members
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert [packed.read(member.name) for member in members] == bodies


def a_wav(path: Path, frames: int = 4000) -> Path:
    import numpy as np

    with path.open("wb") as file:
        writer = WavWriter(file, 1, 8000, frames)
        writer.write([np.arange(frames, dtype=np.int16)])
        writer.finish()
    return path


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An encrypted CAV as the server makes it, password `secret`."""
    source = SourceFile(record_id=7, path=str(a_wav(tmp_path / "a.wav")), sha256="", metadata='{"ident": 7}')
    task = ExportTask(
        out=str(tmp_path / "a.cav"),
        kind="single",
        format="CAV",
        created=CREATED,
        sources=(source,),
        password="secret",
        log2_n=4,
    )
    assert perform(ExportTask.from_json(task.to_json()), lambda ready: None).size == size_of(task)
    return tmp_path / "a.cav"


def test_the_command_line_opens_it_anywhere(exported: Path, tmp_path: Path) -> None:
    run = CliRunner()
    shown = run.invoke(cli, ["cav", "info", str(exported), "--password-stdin"], input="secret\n")
    assert shown.exit_code == 0 and "audio.wav" in shown.output and "encrypted" in shown.output
    checked = run.invoke(cli, ["cav", "verify", str(exported), "--password-stdin"], input="secret\n")
    assert checked.exit_code == 0 and "nothing is altered" in checked.output
    into = tmp_path / "out"
    taken = run.invoke(
        cli, ["cav", "extract", str(exported), "--into", str(into), "--password-stdin"], input="secret\n"
    )
    assert taken.exit_code == 0
    assert (into / "audio.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()
    again = run.invoke(
        cli, ["cav", "extract", str(exported), "--into", str(into), "--password-stdin"], input="secret\n"
    )
    assert again.exit_code != 0
    wrong = run.invoke(cli, ["cav", "verify", str(exported), "--password-stdin"], input="guess\n")
    assert isinstance(wrong.exception, WrongPassword)


def test_media_that_is_not_as_it_was_sealed_is_told(tmp_path: Path) -> None:
    path = a_wav(tmp_path / "a.wav")
    source = SourceFile(record_id=7, path=str(path), sha256="0" * 64, metadata='{"sealed_sha256": "00"}')
    out = tmp_path / "a.cav"
    for kind in ("CAV", "MP3", "VOX", "WAV"):
        task = ExportTask(out=str(out), kind="single", format=kind, created=CREATED, sources=(source,))
        assert perform(task, lambda ready: None).altered == (7,)
        if kind == "CAV":
            with out.open("rb") as file:
                assert CavReader(file).problems() == [
                    "audio.wav is unaltered since the export, but was not as it had been sealed"
                ]


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", ".hidden", ""])
def test_a_hostile_name_is_not_extracted(tmp_path: Path, name: str) -> None:
    content = Content(name, 1, lambda: [b"x"])
    path = tmp_path / "a.cav"
    path.write_bytes(b"".join(cav_of(CREATED, [7], [content])))
    taken = CliRunner().invoke(cli, ["cav", "extract", str(path), "--into", str(tmp_path / "out")])
    assert isinstance(taken.exception, BadInput)
    assert not (tmp_path / "out").exists()
