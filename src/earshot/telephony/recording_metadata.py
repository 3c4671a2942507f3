"""What a session recording client says of a call, as values: the common tongue of all four dialects.

Not here: reading XML or headers (siprec.py, cisco.py). The one rule: identifiers are opaque strings, compared as they
came.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

End = Literal["", "near", "far"]


@dataclass(frozen=True, slots=True)
class Participant:
    """A party of the call (RFC 7865 section 6.4). `left` once the metadata say that it has gone.

    `vendor` holds what extensions say of this party, by the name they use.
    """

    id: str
    aor: str = ""
    name: str = ""
    left: bool = False
    vendor: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """A media stream (RFC 7865 section 6.6); `label` ties it to the `a=label` of a media line."""

    id: str
    label: str = ""
    session: str = ""
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A communication session (RFC 7865 section 6.3). Times are as they were sent, with or without a zone."""

    id: str
    group: str = ""
    start_time: str = ""
    sip_session_id: str = ""


@dataclass(frozen=True, slots=True)
class ParticipantStreams:
    """Which streams a participant sends and receives (RFC 7865 section 6.10)."""

    participant: str
    send: tuple[str, ...] = ()
    recv: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingMetadata:
    """All of it. `raw` is the document as it came, unknown elements included; empty for the header dialect.

    `link_id` ties the dialogs of one call together; with `end` set, this dialog carries that end of the call only and
    the other end comes in another dialog with the same `link_id`. `vendor` maps the names of vendor elements to their
    texts, the first of each name.
    """

    data_mode: Literal["complete", "partial"] = "complete"
    namespace: str = ""
    sessions: tuple[Session, ...] = ()
    participants: tuple[Participant, ...] = ()
    streams: tuple[Stream, ...] = ()
    participant_streams: tuple[ParticipantStreams, ...] = ()
    groups: tuple[str, ...] = ()
    ext_tracking_ids: tuple[str, ...] = ()
    vendor: Mapping[str, str] = field(default_factory=dict)
    link_id: str = ""
    end: End = ""
    media_indexes: Mapping[int, str] = field(default_factory=dict)
    raw: bytes = b""


Item = TypeVar("Item")


def _by_id(old: tuple[Item, ...], new: tuple[Item, ...], key: Callable[[Item], str]) -> tuple[Item, ...]:
    merged = {key(item): item for item in old}
    for item in new:
        merged[key(item)] = item
    return tuple(merged.values())


def merge(old: RecordingMetadata | None, new: RecordingMetadata) -> RecordingMetadata:
    """What is known after `new` came: a complete document replaces, a partial one changes by id (RFC 7865 section 6.1).

    The tie to other dialogs and what vendors said stay known in both cases.
    """
    if old is None:
        return new
    vendor = {**old.vendor, **new.vendor}
    link_id, end = new.link_id or old.link_id, new.end or old.end
    if new.data_mode == "complete":
        return replace(new, vendor=vendor, link_id=link_id, end=end)
    known = {participant.id: participant for participant in old.participants}
    participants = tuple(_completed(known.get(item.id), item) for item in new.participants)
    return replace(
        new,
        data_mode="complete",
        sessions=_by_id(old.sessions, new.sessions, lambda item: item.id),
        participants=_by_id(old.participants, participants, lambda item: item.id),
        streams=_by_id(old.streams, new.streams, lambda item: item.id),
        participant_streams=_by_id(old.participant_streams, new.participant_streams, lambda item: item.participant),
        groups=tuple(dict.fromkeys((*old.groups, *new.groups))),
        ext_tracking_ids=tuple(dict.fromkeys((*old.ext_tracking_ids, *new.ext_tracking_ids))),
        media_indexes={**old.media_indexes, **new.media_indexes},
        vendor=vendor,
        link_id=link_id,
        end=end,
    )


def _completed(old: Participant | None, new: Participant) -> Participant:
    if old is None:
        return new
    vendor = {**old.vendor, **new.vendor}
    return replace(new, aor=new.aor or old.aor, name=new.name or old.name, vendor=vendor)
