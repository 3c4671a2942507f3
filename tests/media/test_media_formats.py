"""WAV and MP3, read back by libraries that are not ours."""

import io
import struct
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
from earshot.media.formats.mp3 import encode_mp3
from earshot.media.formats.wav import WavWriter, read_wav_blocks, read_wav_info, wav_header
from earshot.media.packets import Samples


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


def test_the_table_of_formats() -> None:
    data = wav([tone(8000, 3)], 8000)
    assert {name: (entry.media_type, entry.extension) for name, entry in FORMATS.items()} == {
        "WAV": ("audio/wav", ".wav"),
        "MP3": ("audio/mpeg", ".mp3"),
    }
    assert b"".join(FORMATS["WAV"].encode(io.BytesIO(data))) == data
    assert b"".join(FORMATS["MP3"].encode(io.BytesIO(data)))[:2] == b"\xff\xe3"
