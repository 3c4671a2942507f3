"""The values that carry a leg's packets and its description into the sound room.

Here live plain values only; parsing is in `rtp_columns`, meaning in `codecs`. The one rule: packets stay concatenated
bytes with columns beside them, there is no object per packet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Side = Literal["agent", "other", "mixed"]
Int64s = NDArray[np.int64]
Samples = NDArray[np.int16]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Codec:
    """An RTP payload format as SDP names it: encoding name, RTP clock in Hz, channels, format parameters (RFC 8866)."""

    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""


STATIC_CODECS: Mapping[int, Codec] = {
    0: Codec("PCMU", 8000),
    2: Codec("G726-32", 8000),
    8: Codec("PCMA", 8000),
    9: Codec("G722", 8000),
    10: Codec("L16", 44100, 2),
    11: Codec("L16", 44100),
    13: Codec("CN", 8000),
    18: Codec("G729", 8000),
    19: Codec("CN", 8000),
}
"""Payload types that mean something without SDP (RFC 3551 section 6; 2 and 19 by older use)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegDescription:
    """What is known of a leg beside its packets. `codecs` maps payload types as the SDP of the call said."""

    side: Side
    label: str = ""
    participant: str = ""
    codecs: Mapping[int, Codec] = field(default_factory=dict)

    def codec(self, payload_type: int) -> Codec | None:
        """The codec of a payload type: what the SDP says, else the static assignment of RFC 3551, else None."""
        return self.codecs.get(payload_type) or STATIC_CODECS.get(payload_type)


@dataclass(frozen=True, slots=True)
class LegPackets:
    """A batch of raw RTP packets of one leg, as received: headers included, nothing decoded.

    `times_us` int64[N] arrival times in microseconds since the Unix epoch, `lengths` int[N] bytes per packet,
    `data` the packets one after another, sum(lengths) bytes.
    """

    times_us: Int64s
    lengths: NDArray[np.integer]
    data: bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class LegSource:
    """A leg to be rendered: its description and its packets in batches, roughly in the order of arrival."""

    description: LegDescription
    chunks: Iterable[LegPackets]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFigures:
    """What was received of one leg. Counts are packets.

    `lost` never came by sequence number; `late` arrived after a packet with a higher number (and was used);
    `reordered` is how often the order broke (a burst of five late packets is five late, one reordering);
    `duplicated` came again and was dropped; `digits` were dialled by telephone-event (RFC 4733), each between the two
    seconds from the start that `digits_at` has in its place; recordings of before that was kept have none.
    """

    label: str = ""
    side: str = ""
    participant: str = ""
    codec: str = ""
    received: int = 0
    lost: int = 0
    late: int = 0
    duplicated: int = 0
    reordered: int = 0
    ssrc_changes: int = 0
    clock_jumps: int = 0
    comfort_noise: int = 0
    digits: str = ""
    silent: bool = False
    digits_at: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Digit:
    """One telephone-event: the key, seconds since the start of the recording, seconds held, and whose leg it was."""

    key: str
    at_s: float
    duration_s: float
    label: str
