"""Who hears what blackouts hide (Standard mode), and the sound of recordings for everybody else.

Every way out of a recording's sound leads through here, or through `ExportJob.hears`. The one rule: nobody hears it
but a person or a token with the permission; a client that is not known as one, a mail, or a caller that says nothing
of who asks gets silence of the same length.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final, cast

from earshot.actor import Actor
from earshot.api.media import MediaReply
from earshot.api.permissions import HEARING_BLACKOUTS
from earshot.engine.blackout_gaps import HIDDEN
from earshot.media.formats.wav_header import read_wav_info
from earshot.media.hiding import Holes, holes_in, silenced, silenced_peaks
from earshot.media.spans import Span
from earshot.ports import RecordingRow, SealedRecording, Storage
from earshot.storage.placed import size_read

WAV: Final = "audio/wav"
HEADER_BYTES: Final = 1 << 16
HEARD: Final = "heard"
"""What the audit trail has as `hidden` of an act that gave out hidden sound."""


def may_hear(actor: Actor) -> bool:
    """Whether the actor hears what blackouts hide. A client of the protocol without a login does not, whatever else it
    may do."""
    return actor.kind in ("person", "token") and actor.may(HEARING_BLACKOUTS)


def hidden_spans(sealed: SealedRecording, *, hears: bool = False) -> tuple[Span, ...]:
    """What of a complete recording is silent for somebody, in seconds from its start; nothing for who `hears`."""
    return () if hears else tuple((start, end) for start, end, why in sealed.gaps if why == HIDDEN)


def heard(actor: Actor, *rows: RecordingRow) -> dict[str, str]:
    """What the audit trail is to say besides, when the actor is given the sound of a recording: that hidden spans are
    in it."""
    return {"hidden": HEARD} if may_hear(actor) and any(hidden_spans(row.sealed) for row in rows) else {}


def shown_to(actor: Actor, row: RecordingRow) -> RecordingRow:
    """The recording as the actor is shown it: without the peaks of what is hidden. Digits have no times: those of a
    recording with a hidden span are left out."""
    sealed, spans = row.sealed, hidden_spans(row.sealed, hears=may_hear(actor))
    if not spans:
        return row
    peaks = silenced_peaks(sealed.peaks, sealed.channels, sealed.peaks_per_second, spans)
    legs = tuple(replace(leg, digits="", digits_at=()) for leg in sealed.legs)
    return replace(row, sealed=replace(sealed, peaks=peaks, legs=legs))


async def sound_of(storage: Storage, sealed: SealedRecording, spans: Sequence[Span]) -> AsyncGenerator[bytes, None]:
    """The media of a recording in chunks, silent in `spans`. Raises as `Storage.read`, and BadInput for hidden spans in
    what is no WAV file."""
    holes = await _holes(storage, sealed, spans)
    async for chunk in _silenced(storage.read(sealed.object_name), 0, holes):
        yield chunk


async def wav_reply(storage: Storage, row: RecordingRow, file_name: str, *, hears: bool) -> MediaReply:
    """The sealed WAV file as an answer, with ranges. Raises FileNotFoundError, and as `sound_of`."""
    sealed, spans = row.sealed, hidden_spans(row.sealed, hears=hears)
    if not spans:
        return MediaReply(
            media_type=WAV,
            file_name=file_name,
            object_name=sealed.object_name,
            size=sealed.audio_size,
            supports_range=True,
            etag=sealed.audio_sha256,
        )
    source = _Silenced(storage, sealed.object_name, await _holes(storage, sealed, spans))
    return MediaReply(
        media_type=WAV,
        file_name=file_name,
        ranged=source,
        size=await size_read(storage, sealed.object_name),
        supports_range=True,
        etag=f"{sealed.audio_sha256} without {spans}",
    )


@dataclass(frozen=True, slots=True)
class _Silenced:
    """Implements `earshot.api.media.RangedBytes`."""

    storage: Storage
    name: str
    holes: Holes

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        return _silenced(self.storage.read(self.name, start, stop), start, self.holes)

    def release(self) -> None:
        """Nothing is held."""


async def _holes(storage: Storage, sealed: SealedRecording, spans: Sequence[Span]) -> Holes:
    if not spans:
        return ()
    async with aclosing(_closable(storage.read(sealed.object_name, 0, HEADER_BYTES))) as chunks:
        head = b"".join([chunk async for chunk in chunks])
    return holes_in(read_wav_info(BytesIO(head)), spans)


async def _silenced(chunks: AsyncIterator[bytes], offset: int, holes: Holes) -> AsyncGenerator[bytes, None]:
    async with aclosing(_closable(chunks)) as source:
        async for chunk in source:
            yield silenced(chunk, offset, holes)
            offset += len(chunk)


def _closable(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Every storage reads by a generator, which has a file open until it is closed."""
    return cast(AsyncGenerator[bytes, None], chunks)
