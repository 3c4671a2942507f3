"""One table of codecs: how long a payload plays, at which rate it comes out, and which decoder opens it.

Decoding itself is in `decoders`. The one rule: everything a codec needs stands in its row of `CODECS`; nothing else
compares codec names.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from earshot.media.decoders import (
    Decoder,
    G711Decoder,
    G726Decoder,
    G729Decoder,
    L16Decoder,
    OpusDecoder,
    WholeDecoder,
    a_law_table,
    mu_law_table,
)
from earshot.media.packets import Bytes, Codec, Int64s


@dataclass(frozen=True, slots=True)
class CodecKind:
    """A row of the table. `kind` is sound, noise (comfort noise) or event (telephone-event).

    `rate` gives the decoded rate in Hz of a codec. `samples` gives, for payloads at `start` with `size` in `data`, how
    many decoded samples per channel each holds. `decoder` opens a fresh decoder. `wideband` asks for a 16 kHz file.
    """

    kind: str
    rate: Callable[[Codec], int]
    samples: Callable[[Codec, Bytes, Int64s, Int64s], Int64s]
    decoder: Callable[[Codec], Decoder] | None = None
    wideband: bool = False


def _fixed_rate(rate: int) -> Callable[[Codec], int]:
    return lambda _codec: rate


def _per_byte(samples: int) -> Callable[[Codec, Bytes, Int64s, Int64s], Int64s]:
    return lambda codec, _data, _start, size: size * samples // max(codec.channels, 1)


def _none(_codec: Codec, _data: Bytes, _start: Int64s, size: Int64s) -> Int64s:
    return np.zeros_like(size)


def _g729_samples(_codec: Codec, _data: Bytes, _start: Int64s, size: Int64s) -> Int64s:
    """80 samples per 10-byte frame; a 2-byte SID frame at the end stands for one frame too (RFC 3551, 4.5.6)."""
    return 80 * (size // 10 + (size % 10 >= 2))


def _l16_samples(codec: Codec, _data: Bytes, _start: Int64s, size: Int64s) -> Int64s:
    return size // (2 * max(codec.channels, 1))


def _opus_frame_samples() -> Int64s:
    """Samples at 48 kHz per frame for each of the 32 configurations (RFC 6716, table 2)."""
    silk = [480, 960, 1920, 2880] * 3
    hybrid = [480, 960] * 2
    celt = [120, 240, 480, 960] * 4
    return np.array(silk + hybrid + celt, np.int64)


OPUS_FRAME_SAMPLES = _opus_frame_samples()
OPUS_LONGEST = 5760


def _opus_samples(_codec: Codec, data: Bytes, start: Int64s, size: Int64s) -> Int64s:
    """Frame length times frame count, from the TOC byte and, for code 3, the count byte (RFC 6716, 3.1 and 3.2.5)."""
    last = max(data.size - 1, 0)
    toc = data[np.minimum(start, last)]
    second = data[np.minimum(start + 1, last)]
    code = toc & 3
    frames = np.where(code == 0, 1, np.where(code < 3, 2, np.where(size > 1, second & 0x3F, 0))).astype(np.int64)
    samples: Int64s = OPUS_FRAME_SAMPLES[toc >> 3] * frames
    samples[(size < 1) | (samples > OPUS_LONGEST)] = 0
    return samples


CODECS: dict[str, CodecKind] = {
    "PCMU": CodecKind("sound", _fixed_rate(8000), _per_byte(1), lambda _: G711Decoder(mu_law_table())),
    "PCMA": CodecKind("sound", _fixed_rate(8000), _per_byte(1), lambda _: G711Decoder(a_law_table())),
    # RFC 3551, 4.5.2: the RTP clock of G.722 says 8000, the sound is 16 kHz, two samples a byte.
    "G722": CodecKind("sound", _fixed_rate(16000), _per_byte(2), lambda _: WholeDecoder("g722", 16000, 2), True),
    "OPUS": CodecKind("sound", _fixed_rate(48000), _opus_samples, lambda _: OpusDecoder(), True),
    "G729": CodecKind("sound", _fixed_rate(8000), _g729_samples, lambda _: G729Decoder()),
    # RFC 3551, 4.5.4 packs the first code word into the low bits; AAL2-G726 (RFC 3551, 4.5.4 as well) into the high.
    "G726-32": CodecKind("sound", _fixed_rate(8000), _per_byte(2), lambda _: G726Decoder("g726le")),
    "AAL2-G726-32": CodecKind("sound", _fixed_rate(8000), _per_byte(2), lambda _: G726Decoder("g726")),
    "L16": CodecKind("sound", lambda codec: codec.clock_rate, _l16_samples, lambda c: L16Decoder(c.channels), True),
    "CN": CodecKind("noise", _fixed_rate(8000), _none),
    "TELEPHONE-EVENT": CodecKind("event", _fixed_rate(8000), _none),
}
"""By encoding name in upper case (RFC 3551, RFC 4733, RFC 7587, RFC 3389)."""

ALIASES = {"G729A": "G729", "G726": "G726-32", "G729B": "G729"}


def kind_of(codec: Codec | None) -> CodecKind | None:
    """The row for a codec, or None when we cannot tell what it sounds like."""
    if codec is None or codec.clock_rate <= 0:
        return None
    name = codec.name.upper()
    kind = CODECS.get(ALIASES.get(name, name))
    if kind is not None and not 4000 <= kind.rate(codec) <= 192_000:
        return None
    return kind


def wants_wideband(codec: Codec | None) -> bool:
    """Whether sound of this codec deserves a 16 kHz recording."""
    kind = kind_of(codec)
    return kind is not None and codec is not None and kind.wideband and kind.rate(codec) >= 16000
