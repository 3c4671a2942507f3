"""A piece of a screen's picture written anew with black in some spans: same length, other bytes.

A picture is seen until the next one comes, so one that is shown in a span is black as a whole. What nobody can decode
is replaced by black altogether. No names, no rows. The one rule: what is black already is left as it is, byte for byte,
so that it may be done again after a crash.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import numpy as np

from earshot.errors import BadInput
from earshot.media.spans import Span
from earshot.vault.files import Keys, create, opened

DARK: Final = 24
"""Black is where no red, green or blue is brighter than this, of 255."""
LEAST_BITS: Final = 1_000_000
PIECE_BYTES: Final = 1 << 20
USUAL_SIZE: Final = (320, 180)
ALWAYS: Final = ((0.0, inf),)


@dataclass(frozen=True, slots=True)
class _Written:
    """How a kind of file is written: container, codec, its options, and how colours are stored."""

    container: str
    codec: str
    options: dict[str, str]
    colours: str = "yuv420p"


VP8: Final = {"deadline": "realtime", "cpu-used": "8", "crf": "10"}
KINDS: Final = {
    "video/webm": _Written("webm", "libvpx", VP8),
    "video/x-matroska": _Written("matroska", "libvpx", VP8),
    "video/mp4": _Written("mp4", "libx264", {"preset": "veryfast", "crf": "20"}),
    "image/png": _Written("image2pipe", "png", {}, "rgb24"),
}
"""How each kind of segment (`earshot.ports.capture.EXTENSIONS`) is written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackened:
    """The file as it is then: SHA-256 in hexadecimal, size in bytes, and whether it is another one than before."""

    sha256: str
    size: int
    is_new: bool


def blacken(
    source: Path,
    target: Path,
    spans: Sequence[Span],
    *,
    media_type: str,
    duration_s: float,
    keys: Keys = None,
    name: str = "",
) -> Blackened:
    """Copy the pictures of `source` to `target`, durably, with black in `spans` (seconds from its first picture),
    unless they are black there: then there is no `target`. `duration_s` is the length of what cannot be decoded.

    With `keys` the source may be encrypted, the target is, and both belong to `name`. Raises OSError, VaultError, and
    BadInput for a kind that nobody can write.
    """
    kind = KINDS.get(media_type)
    if kind is None:
        raise BadInput(f"no picture is written as {media_type}")
    try:
        with opened(source, keys, name) as old:
            if all(_is_dark(picture) for picture, hidden in _pictures(old, spans) if hidden):
                return _figures(source, keys, name, is_new=False)
        with opened(source, keys, name) as old, create(target, keys, name) as new:
            size = old.seek(0, os.SEEK_END)
            old.seek(0)
            _write(new, kind, _pictures(old, spans), bits=max(int(16 * size / max(duration_s, 1.0)), LEAST_BITS))
            _make_durable(new)
    except (av.FFmpegError, _NoPicture) as why:
        if isinstance(why, OSError):
            raise  # the disk, not the picture
        with create(target, keys, name) as new:
            _write(new, kind, _nothing_but_black(duration_s), bits=LEAST_BITS)
            _make_durable(new)
    return _figures(target, keys, name, is_new=True)


class _NoPicture(Exception):
    """There is none in the file."""


def _make_durable(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _figures(path: Path, keys: Keys, name: str, *, is_new: bool) -> Blackened:
    with opened(path, keys, name) as file:
        digest = hashlib.sha256()
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
        return Blackened(sha256=digest.hexdigest(), size=file.tell(), is_new=is_new)


def _pictures(file: BinaryIO, spans: Sequence[Span]) -> Iterator[tuple[av.VideoFrame, bool]]:
    """The pictures of a file, and whether each is shown in one of `spans`."""
    with av.open(file, "r") as container:
        if not container.streams.video:
            raise _NoPicture
        stream = container.streams.video[0]
        first_s = float((stream.start_time or 0) * (stream.time_base or 0))
        for frame, following in pairwise(_and_none(container.decode(video=0))):
            assert frame is not None
            start_s = frame.time - first_s if frame.time is not None else -inf
            end_s = following.time - first_s if following is not None and following.time is not None else inf
            yield frame, any(start_s < end and end_s > begin for begin, end in spans)


def _and_none(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame | None]:
    """All of them, and None behind the last. Raises _NoPicture when there are none."""
    frame = next(frames, None)
    if frame is None:
        raise _NoPicture
    yield frame
    yield from frames
    yield None


def _is_dark(frame: av.VideoFrame) -> bool:
    return int(frame.to_ndarray(format="rgb24").max()) <= DARK


def _nothing_but_black(duration_s: float) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Black pictures for so long, one in ten seconds."""
    last_s = max(int(duration_s), 1)
    for second in (*range(0, last_s, 10), last_s):
        frame = _black(USUAL_SIZE)
        frame.pts, frame.time_base = second * 1000, Fraction(1, 1000)
        yield frame, True


def _black(size: tuple[int, int]) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="rgb24")


def _write(file: BinaryIO, kind: _Written, pictures: Iterator[tuple[av.VideoFrame, bool]], *, bits: int) -> None:
    """Encode the pictures; the hidden ones never reach the encoder. The same pictures make the same bytes."""
    stream: Any = None
    with av.open(file, "w", format=kind.container, options={"fflags": "+bitexact"}) as container:
        for frame, hidden in islice(pictures, 1 if kind.codec == "png" else None):
            if stream is None:
                stream = _stream(container, kind, frame, bits)
            size = stream.width, stream.height
            shown = _black(size) if hidden else frame
            shown = shown.reformat(width=size[0], height=size[1], format=stream.pix_fmt)
            shown.pts, shown.time_base = frame.pts, frame.time_base
            shown.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


def _stream(container: Any, kind: _Written, frame: av.VideoFrame, bits: int) -> Any:
    stream = container.add_stream(kind.codec, rate=25, options=kind.options)
    stream.width, stream.height = frame.width, frame.height
    is_odd = bool(frame.width % 2 or frame.height % 2)
    stream.pix_fmt = "yuv444p" if is_odd and kind.codec == "libx264" else kind.colours
    stream.bit_rate = bits
    stream.codec_context.thread_count = 1
    if frame.time_base:
        stream.codec_context.time_base = frame.time_base
    return stream
