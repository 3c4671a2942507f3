"""What a described recording session means for the engine: ties, sides and parties. Pure.

Not here: ports, legs and answers (signalling.py). The one rule: a side is attributed only where there is a reason to.
"""

from collections.abc import Iterable, Mapping, Sequence

from earshot.engine.inputs import Side
from earshot.telephony.identify import Identity, number_of
from earshot.telephony.recording_session import RecordedStream, RecordingSession
from earshot.telephony.sdp import Codec, Sdp


def link_of(session: RecordingSession) -> str:
    """What ties this dialog to the other one of the same call. Only the two ends of a built-in bridge are halves of
    one recording; elsewhere dialogs with a common identifier are recordings of different parties."""
    return session.facts.link_id if session.facts.end else ""


def side_of(session: RecordingSession, identity: Identity, stream: RecordedStream | None, place: int) -> Side:
    """Whose sound a stream carries. Two streams of which nobody said anything are the two parties in their order."""
    if session.facts.end:
        return "agent" if session.facts.end == "near" else "other"
    if stream is None or stream.mixed:
        return "mixed"
    parties = session.participants
    ours = parties[identity.index] if identity.index is not None else None
    speaker = stream.participant or (parties[place] if place < len(parties) else None)
    return "agent" if speaker is not None and ours is not None and speaker.id == ours.id else "other"


def is_remapped(known: Mapping[int, Codec], offer: Sdp, index: int) -> bool:
    """Whether a payload type of the media line means another codec than before."""
    codecs: Sequence[Codec] = offer.media[index].codecs
    return any(one.payload_type in known and _sort(known[one.payload_type]) != _sort(one) for one in codecs)


def _sort(codec: Codec) -> tuple[str, int, int]:
    return codec.name, codec.clock_hz, codec.channels


def participants_of(session: RecordingSession, identity: Identity) -> tuple[dict[str, str], ...]:
    """Who takes part, as it is stored with the call: aor, name, number, role (agent or other)."""
    return tuple(
        {
            "aor": one.aor,
            "name": one.name,
            "number": number_of(one.aor) if one.aor else "",
            "role": "agent" if place == identity.index else "other",
        }
        for place, one in enumerate(session.participants)
    )


def texts_of(documents: Iterable[bytes]) -> tuple[str, ...]:
    """Metadata documents as text, to be kept with the call as they came."""
    return tuple(document.decode("utf-8", "replace") for document in documents)
