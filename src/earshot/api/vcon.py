"""A recording as a vCon, the IETF's container for a conversation (draft-ietf-vcon-vcon-core, syntax 0.4.0). Pure.

Here: which of our words become which parameters, and the signed form. Not here: reading media or keys. The one rule:
what a blackout or the log says about the recording goes along with it.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1, sha256
from typing import Any, Final

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from earshot import __version__
from earshot.engine.blackout_gaps import HIDDEN, WORDS
from earshot.engine.variables import USER_FIELDS, CallVariables
from earshot.ports import FinishedCall, RecordingRow

SYNTAX: Final = "0.4.0"
MEDIA_TYPE: Final = "application/vcon"
MEDIA_TYPES: Final = {"audio/wav": "audio/x-wav", "audio/mpeg": "audio/x-mp3"}
"""Our media types, and the words of the draft for them."""
CONTACT_CENTER: Final = "CC"
"""The extension that defines `role` of a party (draft-ietf-vcon-cc-extension)."""
ROLES: Final = {"agent": "agent", "other": "customer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The sound of a recording: `body` to put it into the vCon, or `url` to point at it, with its hashes. `silent` are
    the spans of it that are hidden from the asker (Standard mode)."""

    sha512: bytes
    sha256: bytes
    body: bytes | None = None
    url: str = ""
    silent: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a vCon is made of. `call` None: nothing more is known of the call; `proof` is a bundle (docs/verify.md)."""

    row: RecordingRow
    media: Media
    domain: str
    created_at: float
    call: FinishedCall | None = None
    proof: Mapping[str, Any] | None = None
    more: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def vcon(told: Conversation) -> dict[str, Any]:
    """The unsigned vCon."""
    parties, agent, other = _parties(told)
    parties.append({"name": "Earshot", "validation": "none", "type": "organization"})
    recorder = len(parties) - 1
    found: dict[str, Any] = {
        "vcon": SYNTAX,
        "uuid": identifier(told.row, told.domain, told.media.silent),
        "extensions": [CONTACT_CENTER],
        "created_at": date(told.created_at),
        "subject": f"Recording {told.row.record_id}",
        "parties": parties,
        "dialog": [_dialog(told, agent, other)],
        "analysis": [_report(told)],
        "attachments": _attachments(told, recorder),
    }
    return found


def date(at: float) -> str:
    """Seconds since the Unix epoch as a Date (RFC 3339)."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def identifier(row: RecordingRow, domain: str, silent: Sequence[tuple[float, float]] = ()) -> str:
    """The version 8 UUID of the draft: time as in version 7, and the SHA-1 of a DNS name, here a name below `domain`
    for each recording, each state of its media and what of it is `silent`. The same has the same, until it is
    altered."""
    sealed = row.sealed
    without = f" without {tuple(silent)}" if silent else ""
    own = sha256(f"{sealed.key} {sealed.audio_sha256}{without}".encode()).hexdigest()
    name = int.from_bytes(sha1(f"{own[:32]}.{domain}".encode(), usedforsecurity=False).digest()[:8], "big") >> 2
    moment = int(sealed.recording_time * 1000) & (2**48 - 1)
    return str(uuid.UUID(int=moment << 80 | 8 << 76 | int(own[:3], 16) << 64 | 2 << 62 | name))


# --- parties and dialog ----------------------------------------------------------------------------------------------


def _parties(told: Conversation) -> tuple[list[dict[str, Any]], int, int]:
    """The parties, and the numbers of the agent and of the first other one."""
    known = told.call.participants if told.call is not None else ()
    variables = told.row.sealed.variables
    roles = [one.get("role", "") for one in known]
    if "agent" in roles and "other" in roles:
        parties = [_party(one, told) for one in known]
        return parties, roles.index("agent"), roles.index("other")
    outside = variables.dnis if variables.direction == "O" else variables.ani
    agent = _party({"number": variables.device_id, "role": "agent"}, told)
    return [agent, _party({"number": outside, "role": "other"}, told)], 0, 1


def _party(known: Mapping[str, str], told: Conversation) -> dict[str, Any]:
    role = ROLES.get(known.get("role", ""), "")
    name = known.get("name", "")
    if role == "agent":
        name = f"{told.row.agent_first_name} {told.row.agent_last_name}".strip() or name
    address = known.get("aor", "")
    found = {
        "tel": known.get("number", ""),
        "sip": address if address.startswith(("sip:", "sips:")) else "",
        "name": name,
        "validation": "none" if name else "",
        "role": role,
    }
    return {key: value for key, value in found.items() if value}


def _dialog(told: Conversation, agent: int, other: int) -> dict[str, Any]:
    sealed, media = told.row.sealed, told.media
    first = agent if sealed.variables.direction == "O" else other
    found: dict[str, Any] = {
        "type": "recording",
        "start": date(sealed.recording_time),
        "duration": round(sealed.duration_s, 3),
        "parties": [agent, other],
        "mediatype": MEDIA_TYPES.get(sealed.media_type, sealed.media_type),
        "filename": sealed.file_name.replace("\\", "/").rsplit("/", 1)[-1],
    }
    if first != agent:
        found["originator"] = first
    if media.body is not None:
        found |= {"body": base64url(media.body), "encoding": "base64url"}
    else:
        hashes_of = [f"sha512-{base64url(media.sha512)}", f"sha256-{base64url(media.sha256)}"]
        found |= {"url": media.url, "content_hash": hashes_of}
    return found


# --- what goes along -------------------------------------------------------------------------------------------------


def _report(told: Conversation) -> dict[str, Any]:
    """What was received: figures of the legs, warnings, the verdict."""
    call = told.call
    body: dict[str, Any] = {
        "warnings": list(told.row.warnings),
        "gaps": [{"start": start, "end": end, "why": why} for start, end, why in told.row.sealed.gaps],
        "legs": [
            {name: value for name, value in leg.items() if name != "digits_at"}
            for leg in orjson.loads(orjson.dumps(told.row.sealed.legs))
        ],
    }
    if call is not None:
        body |= {"verdict": call.verdict, "reason": call.reason}
    return {
        "type": "report",
        "dialog": 0,
        "mediatype": "application/json",
        "vendor": "Earshot",
        "product": f"Earshot {__version__}",
        "encoding": "json",
        "body": body,
    }


def _attachments(told: Conversation, recorder: int) -> list[dict[str, Any]]:
    sealed = told.row.sealed
    spans = [
        {"start": start, "end": end} | ({"kept": True} if why == HIDDEN else {})
        for start, end, why in sealed.gaps
        if why in WORDS
    ]
    bodies: list[tuple[str, Any]] = [("call variables", _variables(sealed.variables))]
    if spans:
        bodies.append(("blackouts", spans))
    if told.proof is not None:
        bodies.append(("tamper evidence", dict(told.proof)))
    found = [_attachment(told, recorder, purpose, "application/json", "json", body) for purpose, body in bodies]
    for document in told.call.metadata if told.call is not None else ():
        kind = "application/rs-metadata+xml"
        found.append(_attachment(told, recorder, "recording metadata", kind, "none", document))
    return found


def _attachment(
    told: Conversation, recorder: int, purpose: str, media_type: str, encoding: str, body: Any
) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "start": date(told.row.sealed.recording_time),
        "party": recorder,
        "dialog": 0,
        "mediatype": media_type,
        "encoding": encoding,
        "body": body,
    }


NAMES: Final = (
    *("device_id", "device_alias", "station", "call_instance", "call_id", "session_id", "group", "gate"),
    *("ani", "dnis", "direction", "is_trunk", "priority"),
)


def _variables(variables: CallVariables) -> dict[str, str]:
    """The call variables that have a value, by the names of the protocol."""
    known = {name.replace("_", "").upper(): str(getattr(variables, name)) for name in NAMES}
    known["CALLDIRECTION"] = known.pop("DIRECTION")
    known |= {f"USER{number}": variables.users[number - 1] for number in range(1, USER_FIELDS + 1)}
    return {name: value for name, value in known.items() if value}


# --- the signed form -------------------------------------------------------------------------------------------------


def signed(document: Mapping[str, Any], key: rsa.RSAPrivateKey, chain: Sequence[x509.Certificate]) -> dict[str, Any]:
    """The signed form: JWS in the general JSON serialisation (RFC 7515, 7.2.1) with RS256 and the certificates."""
    payload = base64url(orjson.dumps(document))
    protected = base64url(orjson.dumps({"alg": "RS256"}))
    signature = key.sign(f"{protected}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    certificates = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
    header = {"x5c": certificates, "uuid": document["uuid"]}
    one = {"header": header, "protected": protected, "signature": base64url(signature)}
    return {"payload": payload, "signatures": [one]}
