"""WAV and MP3, read back by libraries that are not ours."""

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import wavfile
from tests.media.synthetic import snr_db, tone

from earshot.errors import BadInput
from earshot.media.formats import FORMATS
from earshot.media.formats.mp3 import Lame, LameByAv, LameByLameenc, encode_mp3, mp3_of, mp3_size
from earshot.media.formats.sound import Shape, Sound, WavFile, shape_of
from earshot.media.formats.wav import WavWriter, read_wav_blocks, read_wav_info, wav_header
from earshot.media.packets import Samples

needs_sox = pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")


def wav(channels: list[Samples], rate: int) -> bytes:
    file = io.BytesIO()
    writer = WavWriter(file, len(channels), rate, channels[0].size)
    middle = channels[0].size // 3
    writer.write([channel[:middle] for channel in channels])
    writer.write([channel[middle:] for channel in channels])
    writer.finish()
    assert writer.size == len(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_wav_is_read_by_others_and_by_us(channels: int, rate: int) -> None:
    sound = [tone(rate, 1.1, 300 + 100 * channel) for channel in range(channels)]
    data = wav(sound, rate)
    whole = np.stack(sound, axis=1)
    theirs, their_rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert their_rate == rate
    assert (theirs == whole).all()
    scipy_rate, scipys = wavfile.read(io.BytesIO(data))
    assert scipy_rate == rate
    assert (scipys.reshape(whole.shape) == whole).all()
    file = io.BytesIO(data)
    info = read_wav_info(file)
    assert (info.channels, info.sample_rate_hz, info.frames, info.data_offset) == (channels, rate, len(whole), 44)
    assert (np.concatenate(list(read_wav_blocks(file, info, 1000))) == whole).all()


def test_more_than_four_gigabytes_is_rf64(tmp_path: Path) -> None:
    """A sparse file stands in for 20 hours of 16 kHz stereo."""
    frames = 20 * 3600 * 16000
    header = wav_header(2, 16000, frames)
    assert len(header) == 80
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + frames * 4)
    theirs = soundfile.info(path)
    assert (theirs.format, theirs.frames, theirs.channels, theirs.samplerate) == ("RF64", frames, 2, 16000)
    with path.open("rb") as file:
        ours = read_wav_info(file)
    assert (ours.frames, ours.data_offset) == (frames, 80)


def test_the_largest_riff_and_the_smallest_rf64() -> None:
    most = (0xFFFFFFFF - 36) // 4
    assert wav_header(2, 8000, most)[:4] == b"RIFF"
    assert struct.unpack_from("<I", wav_header(2, 8000, most), 4)[0] == 36 + most * 4
    assert wav_header(2, 8000, most + 1)[:4] == b"RF64"


def test_a_writer_holds_to_its_announcement() -> None:
    writer = WavWriter(io.BytesIO(), 1, 8000, 10)
    writer.write([np.zeros(6, np.int16)])
    with pytest.raises(ValueError, match="more frames"):
        writer.write([np.zeros(5, np.int16)])
    with pytest.raises(ValueError, match="4 frames are missing"):
        writer.finish()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"OggS" + bytes(60),
        wav_header(2, 8000, 5)[:20] + struct.pack("<H", 7) + wav_header(2, 8000, 5)[22:],
        b"RIFF\xff\xff\xff\xffWAVEdata\x00\x00\x00\x00",
        b"RIFF\xff\xff\xff\xffWAVEjunk\xff\xff\xff\xff",
    ],
)
def test_what_is_no_wav_is_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        read_wav_info(io.BytesIO(data))


def decoded_mp3(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return (np.concatenate(pieces, axis=1) * 32768).clip(-32768, 32767).astype(np.int16).T


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_mp3_has_the_length_the_place_and_the_sound_of_the_wav(channels: int, rate: int) -> None:
    sound = [tone(rate, 5.0123, 300 + 150 * channel) for channel in range(channels)]
    mp3 = b"".join(encode_mp3(io.BytesIO(wav(sound, rate))))
    with av.open(io.BytesIO(mp3), "r") as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - sound[0].size / rate) < 0.001
    theirs = decoded_mp3(mp3)
    assert theirs.shape == (sound[0].size, channels)
    for channel, wanted in enumerate(sound):
        assert snr_db(wanted, theirs[:, channel]) > 15
    again, _ = soundfile.read(io.BytesIO(mp3), dtype="int16", always_2d=True)
    assert again.shape == theirs.shape
    assert snr_db(theirs[:, 0], again[:, 0]) > 40


@given(st.integers(1, 5000))
@settings(max_examples=30, deadline=None)
def test_mp3_of_any_length_is_exactly_as_long(frames: int) -> None:
    mp3 = b"".join(encode_mp3(io.BytesIO(wav([tone(8000, 1)[:1].repeat(frames)], 8000))))
    with soundfile.SoundFile(io.BytesIO(mp3)) as theirs:
        assert theirs.frames == frames


def test_mp3_of_nothing_is_empty() -> None:
    assert b"".join(encode_mp3(io.BytesIO(wav_header(2, 8000, 0)))) == b""


def test_mp3_of_another_rate_is_refused() -> None:
    with pytest.raises(BadInput, match="44100 Hz"):
        next(encode_mp3(io.BytesIO(wav_header(2, 44100, 0))))


@pytest.mark.parametrize("lame", [LameByLameenc, LameByAv])
@pytest.mark.parametrize("frames", [1, 576, 40_000])
def test_both_encoders_make_as_many_bytes_as_are_promised(lame: Callable[[Shape], Lame], frames: int) -> None:
    if lame is LameByLameenc:
        pytest.importorskip("lameenc")
    source = WavFile(io.BytesIO(wav([tone(8000, 6)[:frames]] * 2, 8000)))
    sound = Sound(shape_of([source.info]), [source])
    mp3 = b"".join(mp3_of(sound, lame(sound.shape)))
    assert len(mp3) == mp3_size(sound.shape)
    with soundfile.SoundFile(io.BytesIO(mp3)) as theirs:
        assert (theirs.frames, theirs.channels) == (frames, 2)


def sox(data: bytes, *wanted: str) -> bytes:
    """What sox makes of a WAV, without the noise that it adds by default."""
    command = ["sox", "-D", "-t", "wav", "-", *wanted, "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def encoded(name: str, *files: bytes) -> bytes:
    opened = [WavFile(io.BytesIO(data)) for data in files]
    shape = FORMATS[name].shape([file.info for file in opened])
    data = b"".join(FORMATS[name].encode(Sound(shape, opened)))
    assert len(data) == FORMATS[name].size(shape)
    return data


@needs_sox
@pytest.mark.parametrize("frames", [1, 2, 7, 16_384, 40_001])
@pytest.mark.parametrize("channels", [1, 2])
def test_vox_is_that_of_sox_to_the_last_bit(channels: int, frames: int) -> None:
    rng = np.random.default_rng(frames)
    sound = [(tone(8000, 6, 300 + 70 * n)[:frames] // 2 + rng.integers(-900, 900, frames)) for n in range(channels)]
    data = wav([one.astype(np.int16) for one in sound], 8000)
    assert encoded("VOX", data) == sox(data, "-c", "1", "-t", "vox")


@needs_sox
def test_joined_vox_has_no_seam() -> None:
    """Odd lengths: the neighbour of a half byte is the first sample of the next recording."""
    first, second = tone(8000, 1)[:4001], tone(8000, 1, 500)[:3001]
    joined = wav([np.concatenate([first, second])], 8000)
    assert encoded("VOX", wav([first], 8000), wav([second], 8000)) == encoded("VOX", joined)


def test_recordings_of_other_shapes_are_brought_together() -> None:
    narrow, wide = tone(8000, 1.0, 440), tone(16000, 0.5, 440)
    joined = encoded("WAV", wav([narrow], 8000), wav([wide, wide // 2], 16000))
    theirs, rate = soundfile.read(io.BytesIO(joined), dtype="int16")
    assert (rate, theirs.shape) == (16000, (16000 + 8000, 2))
    assert (theirs[16000:, 0] == wide).all()
    assert (theirs[:16000, 0] == theirs[:16000, 1]).all()
    assert snr_db(tone(16000, 1.0, 440)[200:15800], theirs[200:15800, 0]) > 50


@given(st.lists(st.tuples(st.sampled_from([8000, 16000]), st.integers(1, 2), st.integers(0, 40_000)), min_size=1))
@settings(max_examples=25, deadline=None)
def test_sizes_are_known_beforehand(parts: list[tuple[int, int, int]]) -> None:
    files = [wav([np.zeros(frames, np.int16)] * channels, rate) for rate, channels, frames in parts[:4]]
    for name in FORMATS:
        encoded(name, *files)


def test_a_file_that_is_cut_off_is_as_long_as_its_header_says() -> None:
    data = wav([tone(8000, 1.0)], 8000)
    assert len(encoded("WAV", data[:5000])) == len(data)


def test_the_table_of_formats() -> None:
    data = wav([tone(8000, 3)], 8000)
    assert {name: (entry.media_type, entry.extension) for name, entry in FORMATS.items()} == {
        "WAV": ("audio/wav", ".wav"),
        "MP3": ("audio/mpeg", ".mp3"),
        "VOX": ("application/octet-stream", ".vox"),
    }
    assert encoded("WAV", data) == data
    assert encoded("MP3", data)[:2] == b"\xff\xe3"
