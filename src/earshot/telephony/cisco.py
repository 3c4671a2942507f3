"""The dialect without a document: what Cisco phones and border elements say of a call in SIP headers.

Not here: XML (siprec.py). The one rule: the result is the same value as that of a document, so that nobody above has
to know the difference.
"""

import re

from earshot.telephony.recording_metadata import End, Participant, ParticipantStreams, RecordingMetadata, Stream
from earshot.telephony.sip.headers import BadHeader, Params, param, parse_name_addr, parse_uri, split_list
from earshot.telephony.sip.message import Headers

_NAMES_AN_END = re.compile("x-(near|far)end", re.IGNORECASE)


def metadata_in_headers(headers: Headers) -> RecordingMetadata | None:
    """What the headers say of the call, or None if they say nothing. Never raises."""
    return _built_in_bridge(headers) or _border_element(headers)


def _built_in_bridge(headers: Headers) -> RecordingMetadata | None:
    """A phone that forks its two directions as two dialogs: `x-nearend`, `x-farend`, `x-refci` in From.

    The parameters stand inside the URI or behind it. The near end is the phone; `x-farendaddr` is who it talks to.
    """
    text = headers.first("From")
    if not _NAMES_AN_END.search(text):
        return None
    try:
        sender = parse_name_addr(text)
    except BadHeader:
        return None
    uri = parse_uri(sender.uri)
    params: Params = (*uri.params, *sender.params)
    near_end, far_end = param(params, "x-nearend") is not None, param(params, "x-farend") is not None
    if not (near_end or far_end):
        return None
    end: End = "near" if near_end else "far"
    facts = {name: value for name, value in params if name.startswith("x-") and value}
    near_user = facts.get("x-nearendaddr") or uri.user
    near = Participant("near", f"sip:{near_user}@{uri.host}" if uri.host else near_user, sender.display)
    far_address = facts.get("x-farendaddr", "")
    far = Participant("far", f"sip:{far_address}@{uri.host}" if far_address and uri.host else far_address)
    reference = facts.get("x-refci", "")
    cluster = facts.get("x-nearendclusterid", "")
    return RecordingMetadata(
        participants=(near, far),
        streams=(Stream(end),),
        participant_streams=(ParticipantStreams(end, (end,)),),
        media_indexes={0: end},
        vendor=facts,
        link_id=f"refci:{cluster}:{reference}" if reference else "",
        end=end,
    )


def _border_element(headers: Headers) -> RecordingMetadata | None:
    """A border element that names a party per media line: `X-Cisco-Recording-Participant: <uri>;media-index="0"`."""
    participants: list[Participant] = []
    associations: list[ParticipantStreams] = []
    indexes: dict[int, str] = {}
    for place, value in enumerate(split_list(headers.all("X-Cisco-Recording-Participant"))):
        try:
            address = parse_name_addr(value)
        except BadHeader:
            continue
        identity = f"participant-{place}"
        participants.append(Participant(identity, address.uri, address.display))
        uri = parse_uri(address.uri)
        said = param(address.params, "media-index")
        said = param(uri.params, "media-index") if said is None else said
        streams = [int(word) for word in (said or "").replace(",", " ").split() if word.isascii() and word.isdigit()]
        for index in streams:
            indexes.setdefault(index, identity)
        associations.append(ParticipantStreams(identity, tuple(str(index) for index in streams)))
    guid = headers.first("Cisco-Guid")
    if not participants and not guid:
        return None
    return RecordingMetadata(
        participants=tuple(participants),
        streams=tuple(Stream(str(index)) for index in sorted(indexes)),
        participant_streams=tuple(associations),
        media_indexes=indexes,
        vendor={"Cisco-Guid": guid} if guid else {},
        link_id=f"guid:{guid}" if guid else "",
    )
