"""One recording session as the application sees it: streams, who speaks on them, and the facts of the call.

Not here: SIP, XML and ports. The one rule: a side is attributed only where the client said so; one mixed stream has
no side (RFC 7866 section 8.1.8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from earshot.telephony.cisco import metadata_in_headers
from earshot.telephony.recording_metadata import End, Participant, RecordingMetadata, merge
from earshot.telephony.sdp import SUPPORTED, Codec, Sdp
from earshot.telephony.sip.headers import BadHeader, parse_name_addr
from earshot.telephony.sip.message import Request
from earshot.telephony.siprec import BadMetadata, parse_metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """One media line that we record. `codecs` maps every payload type that may come to its codec.

    `participant` is who is heard on it, None when that is not known or when `mixed` (several are). While `held`
    silence is expected. `host` and `port` are where the client sends from, by its own word.
    """

    m_index: int
    label: str
    codecs: Mapping[int, Codec]
    participant: Participant | None = None
    mixed: bool = False
    held: bool = False
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What else was said of the call. `identifiers` holds every name by which others know it, by kind.

    `caller` is the index in `participants` of who began the call, None when nobody said. `link_id` and `end` as in
    `RecordingMetadata`.
    """

    caller: int | None = None
    ani: str = ""
    dnis: str = ""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    vendor: Mapping[str, str] = field(default_factory=dict)
    link_id: str = ""
    end: End = ""
    ours: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSession:
    """The state of one dialog's recording; `described` makes the next one. `leniencies` are those of the metadata."""

    streams: tuple[RecordedStream, ...] = ()
    participants: tuple[Participant, ...] = ()
    facts: CallFacts = field(default_factory=CallFacts)
    metadata: RecordingMetadata | None = None
    leniencies: tuple[str, ...] = ()
    raw_metadata: tuple[bytes, ...] = ()


TELLING = ("From", "To", "Call-ID", "Session-ID", "Cisco-Guid", "User-to-User", "X-Cisco-Recording-Participant")
"""The headers of an INVITE that say something of the call."""


def telling_headers(request: Request) -> tuple[tuple[str, str], ...]:
    """What must be kept of the first INVITE so that `described` can be asked again after a restart."""
    return tuple((name, value) for name in TELLING for value in request.headers.all(name))


def described(
    before: RecordingSession | None, media: Sdp | None, metadata: Sequence[bytes], request: Request | None
) -> RecordingSession:
    """The session after an offer (or the answer to ours), metadata, or both came; what did not come stays as it was.

    `media` is the client's description. Never raises: metadata that cannot be read are kept in `raw_metadata` and
    named in `leniencies`.
    """
    before = before or RecordingSession()
    known, noted = before.metadata, list(before.leniencies)
    if known is None and request is not None:
        known = metadata_in_headers(request.headers)
    for document in metadata:
        try:
            known = merge(known, parse_metadata(document))
        except BadMetadata:
            noted.append("metadata_unreadable")
    participants = known.participants if known else ()
    if not participants:
        participants = before.participants or _parties_of(request)
    if media is not None:
        streams = _streams(media, known, participants, noted)
    else:
        streams = _attributed_again(before.streams, known, participants, noted)
    return RecordingSession(
        streams=streams,
        participants=participants,
        facts=_facts(before.facts, known, participants, request),
        metadata=known,
        leniencies=tuple(dict.fromkeys(noted)),
        raw_metadata=(*before.raw_metadata, *metadata),
    )


def _parties_of(request: Request | None) -> tuple[Participant, ...]:
    """Without any metadata, From and To are all that is known of the parties."""
    if request is None:
        return ()
    parties = []
    for name in ("From", "To"):
        try:
            address = parse_name_addr(request.headers.first(name))
        except BadHeader:
            continue
        parties.append(Participant(name.lower(), address.uri, address.display))
    return tuple(parties)


def _streams(
    media: Sdp, known: RecordingMetadata | None, participants: tuple[Participant, ...], noted: list[str]
) -> tuple[RecordedStream, ...]:
    lines = [(index, media.media[index]) for index in media.usable_lines]
    bare = tuple(
        RecordedStream(
            m_index=index,
            label=line.label,
            codecs={codec.payload_type: codec for codec in line.codecs if codec.name in SUPPORTED},
            held=line.held,
            host=line.host,
            port=line.port,
        )
        for index, line in lines
    )
    return _attributed_again(bare, known, participants, noted)


def _attributed_again(
    streams: tuple[RecordedStream, ...],
    known: RecordingMetadata | None,
    participants: tuple[Participant, ...],
    noted: list[str],
) -> tuple[RecordedStream, ...]:
    """Who is heard on each stream, by what is known now."""
    if known is None:
        return tuple(_with(stream, None, len(streams) == 1) for stream in streams)
    if len(streams) == 1 and not known.end:
        return (_with(streams[0], None, True),)
    by_id = {participant.id: participant for participant in participants}
    senders = [_senders(stream, known, by_id) for stream in streams]
    if not any(senders) and len(streams) == len(participants) == 2 and not known.participant_streams:
        noted.append("streams_attributed_by_order")
        senders = [[participant] for participant in participants]
    mixed = _mixed_labels(known)
    return tuple(
        _with(stream, found[0] if len(found) == 1 else None, len(found) > 1 or bool(stream.label in mixed))
        for stream, found in zip(streams, senders, strict=True)
    )


def _with(stream: RecordedStream, participant: Participant | None, mixed: bool) -> RecordedStream:
    return RecordedStream(
        m_index=stream.m_index,
        label=stream.label,
        codecs=stream.codecs,
        participant=None if mixed else participant,
        mixed=mixed,
        held=stream.held,
        host=stream.host,
        port=stream.port,
    )


def _mixed_labels(known: RecordingMetadata) -> frozenset[str]:
    return frozenset(stream.label for stream in known.streams if stream.mixed and stream.label)


def _senders(stream: RecordedStream, known: RecordingMetadata, by_id: Mapping[str, Participant]) -> list[Participant]:
    indexed = known.media_indexes.get(stream.m_index)
    if indexed is not None and indexed in by_id:
        return [by_id[indexed]]
    ids = {item.id for item in known.streams if item.label and item.label == stream.label}
    if not ids and stream.m_index < len(known.streams) and not any(item.label for item in known.streams):
        ids = {known.streams[stream.m_index].id}
    found = [item.participant for item in known.participant_streams if ids & set(item.send)]
    present = [by_id[identity] for identity in found if identity in by_id]
    return [participant for participant in present if not participant.left] or present[:1]


def _facts(
    before: CallFacts, known: RecordingMetadata | None, participants: tuple[Participant, ...], request: Request | None
) -> CallFacts:
    vendor = dict(known.vendor) if known else {}
    identifiers = dict(before.identifiers)
    if request is not None:
        identifiers.setdefault("sip_call_id", request.headers.first("Call-ID"))
        for kind, name in (("session_id", "Session-ID"), ("guid", "Cisco-Guid"), ("ucid", "User-to-User")):
            if value := request.headers.first(name):
                identifiers.setdefault(kind, value)
    if known:
        for kind, value in (
            ("recording_session", known.sessions[0].id if known.sessions else ""),
            ("sip_session_id", known.sessions[0].sip_session_id if known.sessions else ""),
            ("ext_tracking_id", known.ext_tracking_ids[0] if known.ext_tracking_ids else ""),
            ("group", known.groups[0] if known.groups else ""),
            ("vendor_call_id", vendor.get("callID", "")),
            ("refci", vendor.get("x-refci", "")),
        ):
            if value:
                identifiers[kind] = value
    return CallFacts(
        caller=_caller(participants),
        ani=vendor.get("callingPartyNumber", ""),
        dnis=vendor.get("calledPartyNumber") or vendor.get("calledNumber") or vendor.get("dialedDigits", ""),
        identifiers=identifiers,
        vendor=vendor,
        link_id=known.link_id if known else "",
        end=known.end if known else "",
        ours=0 if known and known.end else None,
    )


def _caller(participants: tuple[Participant, ...]) -> int | None:
    """Who is marked as the calling party (`callingParty` true)."""
    for index, participant in enumerate(participants):
        if participant.vendor.get("callingParty", "").lower() == "true":
            return index
    return None
