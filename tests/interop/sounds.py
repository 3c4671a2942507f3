"""The parties of a recorded call: G.711 that is told apart to the sample, sent as RTP, and found again in a recording.

Here is what was sent and where it must lie; SIP is sipp.py. The one rule: nothing of the recorder is used, so that an
error of its own tables or of its own clock cannot hide.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

RATE = 8000
FRAME = 160
FRAME_S = FRAME / RATE
ALIGNED = FRAME
"""20 ms: how far two legs may lie apart from the truth, in samples."""

SSRC = 0x0EA125E7
"""Of every leg of every call, as some clients do."""


def _mu_law(code: int) -> int:
    """ITU-T G.711 table 2a: 14 bits, scaled to 16."""
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 132 << (inverted >> 4 & 7)) - 132
    return -magnitude if inverted & 0x80 else magnitude


def _a_law(code: int) -> int:
    """ITU-T G.711 table 1a: 13 bits, scaled to 16."""
    toggled = code ^ 0x55
    segment, step = toggled >> 4 & 7, (toggled & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else step + 264 << segment - 1
    return magnitude if toggled & 0x80 else -magnitude


CODECS = {
    "PCMU": (0, np.array([_mu_law(code) for code in range(256)], np.int16)),
    "PCMA": (8, np.array([_a_law(code) for code in range(256)], np.int16)),
}
"""Static payload type and the sample of every code."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound without a break, from `tick` (samples since the call's clock began) on. `apart`: its RTP clock is no
    longer that of the piece before, so that only its time of arrival says where it belongs."""

    tick: int
    samples: Samples
    apart: bool


@dataclass(frozen=True, slots=True)
class Line:
    """What a scenario wants to be sent: whose voice, in which codec, to which port, with which payload type."""

    voice: str
    codec: str
    port: int
    payload_type: int

    @classmethod
    def read(cls, text: str) -> "Line":
        """From `VOICE CODEC PORT [PAYLOAD-TYPE]`."""
        voice, codec, port, *other = text.split()
        return cls(voice, codec, int(port), int(other[0]) if other else CODECS[codec][0])


@dataclass
class Voice:
    """One party: an endless stream of codes of its own, every one of the 256 among them, and its RTP counters."""

    codes: random.Random
    ssrc: int = SSRC
    number: int = 65520
    stamp_ahead: int = 2**32 - 4000
    pieces: list[Piece] = field(default_factory=list)
    packets: int = 0
    ends: int = 0


@dataclass
class Speech:
    """All that is said in one call, on one clock. `name` makes it different from that of every other call."""

    name: str
    voices: dict[str, Voice] = field(default_factory=dict)
    _began: float | None = None
    _socket: socket.socket | None = None

    async def play(self, lines: Sequence[Line], seconds: float, cue: dict[str, str]) -> None:
        """Send every line at once, in real time, for `seconds`.

        A `cue` may say `From: another port`, `Source: another` (SSRC), and `Clock: stood still` since the last time.
        """
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        began = self._began
        sender = self._sender(anew="From" in cue)
        first = -int(-(loop.time() - began) // FRAME_S)
        frames = round(seconds / FRAME_S)
        sent = [self._prepare(line, first, frames, cue) for line in lines]
        for frame in range(frames):
            await asyncio.sleep(max(began + (first + frame + 1) * FRAME_S - loop.time(), 0))
            for line, packets in zip(lines, sent, strict=True):
                sender.sendto(packets[frame], ("127.0.0.1", line.port))

    def _sender(self, anew: bool) -> socket.socket:
        if self._socket is None or anew:
            self.close()
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._socket

    def _prepare(self, line: Line, first: int, frames: int, cue: dict[str, str]) -> list[bytes]:
        """The packets of a line, remembered as a piece of its voice."""
        voice = self.voices.setdefault(line.voice, Voice(random.Random(f"{self.name} {line.voice}")))
        stood_still, another, anew = "Clock" in cue, "Source" in cue, "Anew" in cue
        if stood_still:
            voice.stamp_ahead -= first * FRAME - voice.ends
        if another:
            voice.ssrc, voice.number, voice.stamp_ahead = voice.ssrc + 1, 4711, 815
        codes = voice.codes.randbytes(frames * FRAME)
        table = CODECS[line.codec][1]
        samples = table[np.frombuffer(codes, np.uint8)]
        voice.pieces.append(Piece(first * FRAME, samples, stood_still or another or anew))
        voice.ends = (first + frames) * FRAME
        packets = []
        for frame in range(frames):
            marker = 0x80 if frame == 0 else 0
            stamp = (first + frame) * FRAME + voice.stamp_ahead & 0xFFFFFFFF
            header = struct.pack("!BBHII", 0x80, marker | line.payload_type, voice.number & 0xFFFF, stamp, voice.ssrc)
            packets.append(header + codes[frame * FRAME : (frame + 1) * FRAME])
            voice.number += 1
        voice.packets += frames
        return packets

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def assert_same_sound(channel: Samples, voice: Voice) -> int:
    """The channel holds what the voice said, all of it, where it belongs to the sample, and nothing else.

    Returns where tick 0 of the call's clock lies in the channel.
    """
    expected = np.zeros_like(channel)
    origin: int | None = None
    for piece in voice.pieces:
        if origin is None or piece.apart:
            found = _find(channel, piece.samples)
            at = found - piece.tick
            assert origin is None or abs(at - origin) <= ALIGNED, f"{at - origin} samples from where it belongs"
            origin = at
        begin = origin + piece.tick
        expected[begin : begin + piece.samples.size] = piece.samples
    wrong = np.flatnonzero(expected != channel)
    assert wrong.size == 0, f"{wrong.size} samples differ, from {wrong[0]} to {wrong[-1]}, of {channel.size}"
    assert origin is not None, "this voice never said anything"
    return origin


def _find(channel: Samples, samples: Samples) -> int:
    """Where the samples lie in the channel, exactly as they are; an AssertionError says what is there instead."""
    width = channel.itemsize
    place = channel.tobytes().find(samples.tobytes())
    if place >= 0 and place % width == 0:
        return place // width
    start = channel.tobytes().find(samples[:FRAME].tobytes())
    peak = int(np.abs(channel.astype(np.int32)).max(initial=0))
    raise AssertionError(
        f"{samples.size} samples are not in the channel of {channel.size}: its peak is {peak}, "
        f"the first frame is {'absent' if start < 0 else f'at {start // width}'}"
    )
