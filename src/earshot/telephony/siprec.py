"""Recording metadata documents (RFC 7865) in the three XML dialects that are in use.

Not here: metadata that come as SIP headers (cisco.py). The one rule: elements are known by their local names, in any
letter case and namespace, and what is not known is looked through for vendor facts, never refused.
"""

from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from earshot.errors import BadInput
from earshot.telephony.recording_metadata import (
    Participant,
    ParticipantStreams,
    RecordingMetadata,
    Session,
    Stream,
)

MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_VALUE_CHARACTERS = 1000

VENDOR_FACTS = {
    name.lower(): name
    for name in (
        "callType",
        "recordedParty",
        "callingPartyNumber",
        "calledPartyNumber",
        "calledNumber",
        "redirectedFromPartyNumber",
        "redirectedToPartyNumber",
        "dialedDigits",
        "serviceProviderID",
        "groupID",
        "userID",
        "callID",
        "extTrackingID",
        "recordingType",
        "callingParty",
        "request-uri",
        "realm",
        "in-realm",
        "out-realm",
        "ucid",
        "callerOrig",
        "supervisor",
    )
}
"""Vendor elements whose text users search for, by lower-case local name: the name under which it is kept."""


class BadMetadata(BadInput):
    """The document is not XML, has a DTD, or is not recording metadata. The call is recorded all the same."""


def parse_metadata(document: bytes) -> RecordingMetadata:
    """Read one document. Raises BadMetadata, nothing else."""
    top = _root(document)
    root = _Element(top, str(top.tag))
    if root.name not in ("recording", "recording_metadata"):
        raise BadMetadata("not a recording metadata document")
    by_name: dict[str, list[_Element]] = {}
    for child in root.children:
        by_name.setdefault(child.name, []).append(child)
    gone = {
        _id(item, "participant")
        for item in by_name.get("participantsessionassoc", ())
        if _text(item, "disassociate-time")
    }
    participants = [_participant(item, gone) for item in by_name.get("participant", ())]
    vendor = _vendor(root)
    tracking = tuple(dict.fromkeys(_texts(root, "exttrackingid")))
    mode = _text(root, "datamode") or root.get("datamode") or root.get("dataMode") or "complete"
    return RecordingMetadata(
        data_mode="partial" if mode.lower() == "partial" else "complete",
        namespace=root.tag[1:].partition("}")[0] if root.tag.startswith("{") else "",
        sessions=tuple(_session(item) for item in by_name.get("session", ())),
        participants=_once(participants),
        streams=tuple(_stream(item) for item in by_name.get("stream", ())),
        participant_streams=_associations(by_name),
        groups=tuple(_id(item, "group") for item in by_name.get("group", ())),
        ext_tracking_ids=tracking,
        vendor=vendor,
        link_id=f"exttracking:{tracking[0]}" if tracking else "",
        raw=document,
    )


def _root(document: bytes) -> etree._Element:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise BadMetadata("the metadata document is too large")
    text = document.strip(b" \t\r\n\0")
    if b"<!DOCTYPE" in text:
        raise BadMetadata("metadata with a DTD")
    try:
        return etree.fromstring(text, _STRICT)
    except (etree.XMLSyntaxError, ValueError):
        pass
    repaired = text.decode("latin-1").encode() if not text.startswith(b"<?xml") else text
    try:
        root = etree.fromstring(repaired, _RECOVERING)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise BadMetadata(f"metadata is not XML: {problem}") from problem
    if not isinstance(root, etree._Element):
        raise BadMetadata("metadata is empty")
    return root


def _parser(recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True, recover=recover
    )


_STRICT = _parser(recover=False)
_RECOVERING = _parser(recover=True)


@lru_cache(maxsize=1024)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2].lower()


class _Element:
    """An element with all that is below it: looked at many times, which on the parser's own is costly. `name` is the
    local one in lower case."""

    __slots__ = ("_attributes", "children", "name", "tag", "text")

    def __init__(self, element: etree._Element, tag: str) -> None:
        self.name = _local(tag)
        self.tag = tag
        self._attributes: dict[str, str] = dict(element.items())  # type: ignore[arg-type]
        self.text = (element.text or "").strip()
        self.children = [_Element(child, tag) for child in element if isinstance(tag := child.tag, str)]

    def get(self, name: str) -> str | None:
        """The value of an attribute."""
        return self._attributes.get(name)

    def below(self) -> "Iterator[_Element]":
        """Every element inside this one, in document order."""
        for child in self.children:
            yield child
            yield from child.below()


def _child(element: _Element, name: str) -> _Element | None:
    for child in element.children:
        if child.name == name:
            return child
    return None


def _text(element: _Element, name: str) -> str:
    child = _child(element, name)
    return child.text[:MAX_VALUE_CHARACTERS] if child is not None else ""


def _texts(element: _Element, name: str) -> list[str]:
    return [item.text[:MAX_VALUE_CHARACTERS] for item in element.below() if item.name == name and item.text]


def _id(element: _Element, kind: str) -> str:
    """The id of an element: `id`, `<kind>_id`, `<kind>id`, or a bare `<kind>` attribute, whichever is there."""
    for name in ("id", f"{kind}_id", f"{kind}id", f"{kind}-id", kind):
        value = element.get(name)
        if value is not None:
            return value.strip()
    return _text(element, "id")


def _reference(element: _Element, kind: str) -> str:
    for name in (f"{kind}_id", f"{kind}id", f"{kind}-id", kind):
        value = element.get(name)
        if value is not None:
            return value.strip()
    return _text(element, kind) or _text(element, f"{kind}_id")


def _session(element: _Element) -> Session:
    started = _text(element, "start-time") or _text(element, "starttime") or _text(element, "associate-time")
    group = _text(element, "group-ref") or _reference(element, "group")
    return Session(_id(element, "session"), group, started, _text(element, "sipsessionid"))


def _stream(element: _Element) -> Stream:
    label = _text(element, "label") or (element.get("label") or "").strip()
    mixed = _text(element, "mode").lower() == "mixed"
    return Stream(_id(element, "stream"), label, _reference(element, "session"), mixed)


def _participant(element: _Element, gone: set[str]) -> Participant:
    identity = _id(element, "participant")
    named = _child(element, "nameid")
    aor = name = ""
    if named is not None:
        aor = (named.get("aor") or "").strip() or _text(named, "aor")
        name = _text(named, "name")
    aor = aor or (element.get("aor") or "").strip() or _text(element, "aor")
    name = name or _text(element, "name") or (element.get("name") or "").strip()
    left = identity in gone or bool(_text(element, "disassociate-time"))
    return Participant(identity, aor, name, left, _vendor(element))


def _once(participants: list[Participant]) -> tuple[Participant, ...]:
    """One participant an id; those whose id is empty are told apart by their address."""
    kept: dict[tuple[str, str], Participant] = {}
    for participant in participants:
        kept.setdefault((participant.id, "" if participant.id else participant.aor), participant)
    return tuple(kept.values())


def _stream_ids(element: _Element) -> tuple[list[str], list[str]]:
    """The streams that are sent and those that are received, by the children of one element."""
    ids: dict[str, list[str]] = {"send": [], "recv": []}
    for child in element.children:
        known = ids.get(child.name)
        if known is not None and (identity := child.text or _id(child, "stream")):
            known.append(identity)
    return ids["send"], ids["recv"]


def _associations(by_name: dict[str, list[_Element]]) -> tuple[ParticipantStreams, ...]:
    """From participantstreamassoc elements, and from send and recv inside participants (pre-RFC dialects)."""
    merged: dict[str, ParticipantStreams] = {}
    for kind in ("participant", "participantstreamassoc"):
        for element in by_name.get(kind, ()):
            sends, receives = _stream_ids(element)
            if not sends and not receives:
                continue
            identity = _id(element, "participant") if kind == "participant" else _reference(element, "participant")
            known = merged.get(identity, ParticipantStreams(identity))
            merged[identity] = ParticipantStreams(
                identity,
                tuple(dict.fromkeys((*known.send, *sends))),
                tuple(dict.fromkeys((*known.recv, *receives))),
            )
    return tuple(merged.values())


def _vendor(element: _Element) -> dict[str, str]:
    """Vendor facts anywhere below. An element that only holds others (callType) has the name of its first for value."""
    facts: dict[str, str] = {}
    for item in element.below():
        name = VENDOR_FACTS.get(item.name)
        if name is None:
            continue
        text = item.text
        if not text and item.children:
            text = item.children[0].tag.rpartition("}")[2]
        if text:
            facts.setdefault(name, text[:MAX_VALUE_CHARACTERS])
    return facts
