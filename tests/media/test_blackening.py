"""Pictures that are made black: exactly those of the span, in every kind of file, and once and for all."""

import hashlib
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from earshot.capture.in_process import HEIGHT, encode, read_number
from earshot.errors import BadInput
from earshot.media.blackening import KINDS, blacken
from earshot.ports.capture import EXTENSIONS
from earshot.vault.files import create, opened
from earshot.vault.keyring import Keyring


def numbers(path: Path) -> list[int | None]:
    """The numbers of the pictures, None for black ones."""
    with av.open(str(path)) as container:
        return [read_number(frame.to_ndarray(format="yuv420p")[:HEIGHT]) for frame in container.decode(video=0)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(frame.time or 0.0, 3) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Forty pictures in two seconds."""
    path = tmp_path_factory.mktemp("film") / "film.webm"
    encode(path, [(number, False) for number in range(40)], 20)
    return path.read_bytes()


@pytest.fixture
def film(tmp_path: Path, pictures: bytes) -> Path:
    """The same as a file of its own."""
    path = tmp_path / "film.webm"
    path.write_bytes(pictures)
    return path


def as_kind(film: Path, media_type: str) -> Path:
    """The same pictures in another kind of file."""
    made = film.with_name("film" + EXTENSIONS[media_type])
    kind = KINDS[media_type]
    with av.open(str(film)) as old, av.open(str(made), "w", format=kind.container) as new:
        stream: Any = new.add_stream(kind.codec, rate=20, options=kind.options)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for frame in old.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))
    return made


@pytest.mark.parametrize("media_type", ["video/webm", "video/mp4", "video/x-matroska"])
def test_picture_by_picture(film: Path, media_type: str) -> None:
    source = film if media_type == "video/webm" else as_kind(film, media_type)
    target = source.with_name("black")
    done = blacken(source, target, [(0.5, 1.0), (1.5, 1.6)], media_type=media_type, duration_s=2.0)
    dark = {*range(10, 20), 30, 31}
    assert numbers(target) == [None if number in dark else number for number in range(40)]
    assert times(target) == times(source), "each in its place, of the same length"
    data = target.read_bytes()
    assert (done.sha256, done.size, done.is_new) == (hashlib.sha256(data).hexdigest(), len(data), True)
    again = blacken(target, source, [(0.5, 1.0)], media_type=media_type, duration_s=2.0)
    assert again.sha256 == done.sha256 and not again.is_new, "what is black is left as it is"


def test_the_same_pictures_make_the_same_bytes(film: Path) -> None:
    """A process that was killed before the row knew of it makes the same file again."""
    made = [blacken(film, film.with_name(name), [(0.2, 0.7)], media_type="video/webm", duration_s=2) for name in "ab"]
    assert made[0] == made[1]


def test_a_picture_that_stays_is_black_for_as_long_as_it_is_seen(tmp_path: Path) -> None:
    """Desktops may send a picture only when something changes."""
    film, target = tmp_path / "still.webm", tmp_path / "black.webm"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for at_ms in (0, 2000, 8000):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 200, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for span, dark in (((5.0, 6.0), [1]), ((9.0, inf), [2]), ((0.0, 1.0), [0])):
        blacken(film, target, [span], media_type="video/webm", duration_s=10.0)
        with av.open(str(target)) as container:
            levels = [int(frame.to_ndarray(format="rgb24").max()) for frame in container.decode(video=0)]
        assert [place for place, level in enumerate(levels) if level < 24] == dark
        assert times(target) == [0.0, 2.0, 8.0]


def test_a_still_image_and_what_cannot_be_decoded_are_black_as_a_whole(tmp_path: Path) -> None:
    image, target = tmp_path / "a.png", tmp_path / "b"
    with av.open(str(image), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = 33, 21, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.full((21, 33, 3), 99, np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
    blacken(image, target, [(3.0, 4.0)], media_type="image/png", duration_s=10.0)
    with av.open(str(target)) as container:
        (black,) = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    assert black.shape == (21, 33, 3) and not black.any()
    for media_type in KINDS:
        junk = tmp_path / "junk"
        junk.write_bytes(b"no picture at all" * 100)
        done = blacken(junk, target, [(0.0, 1.0)], media_type=media_type, duration_s=3.0)
        with av.open(str(target)) as container:
            found = [int(one.to_ndarray(format="rgb24").max()) for one in container.decode(video=0)]
        assert done.is_new and found == [0] * (1 if media_type == "image/png" else 2)
    with pytest.raises(BadInput, match="audio/wav"):
        blacken(image, target, [(0.0, 1.0)], media_type="audio/wav", duration_s=1.0)


def test_a_disk_that_is_full_is_no_reason_to_lose_the_whole_picture(film: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        blacken(film, Path("/dev/full"), [(0.5, 1.0)], media_type="video/webm", duration_s=2.0)


def test_an_encrypted_piece_is_never_plain(film: Path) -> None:
    keyring = Keyring((bytes(range(32)),))
    source, target = film.with_name("sealed"), film.with_name("sealed-too")
    with create(source, keyring, "screens/a.webm") as file:
        file.write(film.read_bytes())
    done = blacken(
        source, target, [(0.5, 1.0)], media_type="video/webm", duration_s=2.0, keys=keyring, name="screens/a.webm"
    )
    with opened(target, keyring, "screens/a.webm") as file:
        plain = file.read()
    assert hashlib.sha256(plain).hexdigest() == done.sha256 and b"webm" not in target.read_bytes()
    film.write_bytes(plain)
    assert [at for at, number in enumerate(numbers(film)) if number is None] == list(range(10, 20))
