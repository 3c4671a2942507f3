"""vCons: by the tables of draft-ietf-vcon-vcon-core, as a JSON schema; and signed, for any reader of JWS."""

import base64
import json
import re
import uuid
from dataclasses import replace
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from earshot.actor import SYSTEM, Actor
from earshot.api.audit import NoTrail
from earshot.api.vcon import Conversation, Media, signed, vcon
from earshot.api.vcon_export import VconDesk
from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import BadInput
from earshot.ports import FinishedCall, RecordingRow, SealedRecording
from earshot.storage.keys import vcon_key
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore

SOUND = b"RIFF and so on" * 9
NOON = 1_700_000_000.0

DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
TEXT = {"type": "string"}
INDEX = {"type": "integer", "minimum": 0}
MEDIATYPE = {"type": "string", "pattern": r"^[a-z]+/[a-z0-9.+-]+$"}
HASH = {"type": "string", "pattern": r"^[a-z0-9]+-[A-Za-z0-9_-]+$"}
CONTENT = {
    "body": {},
    "encoding": {"enum": ["base64url", "json", "none"]},
    "url": {"type": "string", "pattern": r"^https?://"},
    "content_hash": {"anyOf": [HASH, {"type": "array", "items": HASH}]},
}
ONE_CONTENT = [{"required": ["body", "encoding"]}, {"required": ["url", "content_hash"]}]
PARTY = {
    "type": "object",
    "properties": dict.fromkeys(
        ("tel", "sip", "stir", "mailto", "name", "did", "validation", "gmlpos", "uuid", "org", "dept"), TEXT
    )
    | {"type": {"enum": ["person", "bot", "organization"]}, "role": {"enum": ["agent", "customer"]}},
    "additionalProperties": False,
}
DIALOG = {
    "type": "object",
    "required": ["type", "start", "parties", "mediatype"],
    "properties": CONTENT
    | {
        "type": {"enum": ["recording"]},
        "start": DATE,
        "duration": {"type": "number", "minimum": 0},
        "parties": {"type": "array", "items": INDEX},
        "originator": INDEX,
        "mediatype": {"enum": ["audio/x-wav", "audio/x-mp3", "audio/x-mp4", "audio/ogg"]},
        "filename": TEXT,
    },
    "oneOf": ONE_CONTENT,
    "additionalProperties": False,
}
ATTACHMENT = {
    "type": "object",
    "required": ["start", "party", "dialog"],
    "properties": CONTENT
    | {"purpose": TEXT, "start": DATE, "party": INDEX, "dialog": INDEX, "mediatype": MEDIATYPE, "filename": TEXT},
    "oneOf": ONE_CONTENT,
    "additionalProperties": False,
}
ANALYSIS = {
    "type": "object",
    "required": ["type", "vendor"],
    "properties": CONTENT
    | {
        "type": {"enum": ["report", "sentiment", "summary", "transcript", "translation", "tts"]},
        "dialog": INDEX,
        "mediatype": MEDIATYPE,
        "vendor": TEXT,
        "product": TEXT,
        "schema": TEXT,
    },
    "oneOf": ONE_CONTENT,
    "additionalProperties": False,
}
VCON = {
    "type": "object",
    "required": ["vcon", "uuid", "created_at", "parties"],
    "properties": {
        "vcon": {"enum": ["0.4.0"]},
        "uuid": {"type": "string", "pattern": r"^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
        "extensions": {"type": "array", "items": TEXT},
        "created_at": DATE,
        "subject": TEXT,
        "parties": {"type": "array", "items": PARTY},
        "dialog": {"type": "array", "items": DIALOG},
        "analysis": {"type": "array", "items": ANALYSIS},
        "attachments": {"type": "array", "items": ATTACHMENT},
    },
    "additionalProperties": False,
}
KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
}


def wrong(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What of `value` does not follow a JSON schema, of the words that are used above."""
    found = []
    if "type" in schema and (not isinstance(value, KINDS[schema["type"]]) or isinstance(value, bool)):
        return [f"{where} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} is written as {value!r}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where} is {value}")
    if isinstance(value, dict):
        found += [f"{where} lacks {name}" for name in schema.get("required", ()) if name not in value]
        known = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            found += [f"{where} has {name}" for name in value if name not in known]
        for name, one in known.items():
            found += wrong(value[name], one, f"{where}.{name}") if name in value else []
    if isinstance(value, list):
        for number, one in enumerate(value):
            found += wrong(one, schema.get("items", {}), f"{where}[{number}]")
    for word, allowed in (("oneOf", {1}), ("anyOf", {1, 2, 3})):
        if word in schema and sum(not wrong(value, one, where) for one in schema[word]) not in allowed:
            found.append(f"{where} is not {word}")
    return found


def a_row(**variables: str) -> RecordingRow:
    sealed = SealedRecording(
        key="1-2/0",
        call_key="1-2",
        part=0,
        core=1,
        variables=CallVariables(device_id="4001", ani="+12025550123", group="Sales").changed(
            {"user3": "x", **variables}
        ),
        agent_id=None,
        recording_time=NOON + 0.25,
        duration_s=33.12,
        channels=2,
        sample_rate_hz=8000,
        object_name="a.wav",
        file_name="C:\\Recordings\\a.wav",
        media_type="audio/wav",
        audio_sha256=sha256(SOUND).hexdigest(),
        audio_size=len(SOUND),
        gaps=((1.0, 2.0, "blackout"), (3.0, 4.0, "hold")),
    )
    return RecordingRow(record_id=17, sealed=sealed, agent_first_name="Ann", agent_last_name="Lee")


def a_call() -> FinishedCall:
    return FinishedCall(
        key="1-2",
        core=1,
        variables=CallVariables(),
        agent_id=None,
        started_at=NOON,
        stopped_at=NOON + 34,
        verdict="recorded",
        reason="bye",
        metadata=("<recording/>",),
        participants=(
            {"aor": "sip:bob@example.com", "name": "Bob", "number": "+12025550123", "role": "other"},
            {"aor": "sip:4001@pbx.example", "name": "", "number": "4001", "role": "agent"},
        ),
    )


def told(row: RecordingRow, call: FinishedCall | None = None, url: str = "") -> dict[str, Any]:
    media = Media(sha512=sha512(SOUND).digest(), sha256=sha256(SOUND).digest(), body=None if url else SOUND, url=url)
    more: Any = {"proof": {"format": "earshot-proof/1"}}
    made = vcon(Conversation(row=row, media=media, domain="rec.example", created_at=NOON + 99, call=call, **more))
    read: dict[str, Any] = json.loads(json.dumps(made))
    return read


def test_the_sound_inside() -> None:
    document = told(a_row(direction="I"), a_call())
    assert wrong(document, VCON) == []
    bob, ann, recorder = document["parties"]
    assert (ann["name"], ann["tel"], ann["sip"], ann["role"]) == ("Ann Lee", "4001", "sip:4001@pbx.example", "agent")
    assert (bob["role"], recorder["name"]) == ("customer", "Earshot")
    (dialog,) = document["dialog"]
    assert (dialog["parties"], dialog["originator"], dialog["duration"]) == ([1, 0], 0, 33.12)
    assert dialog["start"] == "2023-11-14T22:13:20.250+00:00"
    assert base64.urlsafe_b64decode(dialog["body"] + "==") == SOUND
    bodies = {one["purpose"]: one["body"] for one in document["attachments"]}
    assert bodies["blackouts"] == [{"start": 1.0, "end": 2.0}]
    assert bodies["call variables"] == {
        "DEVICEID": "4001",
        "ANI": "+12025550123",
        "GROUP": "Sales",
        "CALLDIRECTION": "I",
        "USER3": "x",
    }
    assert bodies["recording metadata"] == "<recording/>" and "tamper evidence" in bodies
    assert document["analysis"][0]["body"]["verdict"] == "recorded"


def test_a_link_and_nobody_known() -> None:
    document = told(a_row(direction="O", dnis="911"), url="https://rec.example/x")
    assert wrong(document, VCON) == []
    (dialog,) = document["dialog"]
    long, short = dialog["content_hash"]
    assert base64.urlsafe_b64decode(long.removeprefix("sha512-") + "==") == sha512(SOUND).digest()
    assert base64.urlsafe_b64decode(short.removeprefix("sha256-") + "==") == sha256(SOUND).digest()
    assert "originator" not in dialog and document["parties"][1]["tel"] == "911"


def test_the_identifier() -> None:
    row = a_row()
    first = uuid.UUID(told(row)["uuid"])
    assert str(first) == told(row)["uuid"]
    assert first.version == 8 and first.int >> 80 == int((NOON + 0.25) * 1000)
    other = replace(row, sealed=replace(row.sealed, audio_sha256="another"))
    assert told(other)["uuid"] != str(first)


def test_what_the_schema_refuses() -> None:
    document = told(a_row())
    assert wrong(document | {"x": 1}, VCON) and wrong(document | {"uuid": "x"}, VCON)
    assert wrong(document | {"dialog": [document["dialog"][0] | {"url": "https://x", "content_hash": "a-b"}]}, VCON)


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_signed_form(tmp_path: Path) -> None:
    key, chain = vcon_key(tmp_path / "vcon.pem", "rec.example")
    document = told(a_row())
    jws = json.loads(json.dumps(signed(document, key, chain)))
    (one,) = jws["signatures"]
    assert json.loads(from_base64url(one["protected"])) == {"alg": "RS256"}
    assert one["header"]["uuid"] == document["uuid"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(one["header"]["x5c"][0]))
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(
        from_base64url(one["signature"]),
        f"{one['protected']}.{jws['payload']}".encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    assert json.loads(from_base64url(jws["payload"])) == document


class Noted(NoTrail):
    def __init__(self) -> None:
        self.notes: list[tuple[str, str, dict[str, str]]] = []

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        self.notes.append((act, subject, detail))


async def test_exporting_is_noted_and_what_is_gone_is_said(tmp_path: Path) -> None:
    async def no_proof(record_id: int) -> None:
        return None

    storage, trail, clock = MemoryStorage(), Noted(), FakeClock(NOON)
    (tmp_path / "a.wav").write_bytes(SOUND)
    await storage.put_file("a.wav", tmp_path / "a.wav")
    urls = ["https://rec.example"]
    desk = VconDesk(
        store=MemoryStore(clock),
        storage=storage,
        audit=trail,
        clock=clock,
        public_url=lambda: urls[0],
        domain="rec.example",
        signing=lambda: vcon_key(tmp_path / "vcon.pem", "rec.example"),
        proof=no_proof,
    )
    document = await desk.export(SYSTEM, a_row(), link=True, sign=False)
    assert document["dialog"][0]["url"] == "https://rec.example/recordings/17/audio.wav?download=1"
    assert "signatures" in await desk.export(SYSTEM, a_row(), link=False, sign=True)
    assert [(act, subject, detail["format"]) for act, subject, detail in trail.notes] == [
        ("exported", "recording 17", "VCON")
    ] * 2
    urls[0] = ""
    with pytest.raises(BadInput, match="public_url"):
        await desk.export(SYSTEM, a_row(), link=True, sign=False)
    await storage.delete("a.wav")
    with pytest.raises(BadInput, match="gone"):
        await desk.export(SYSTEM, a_row(), link=False, sign=False)
    assert len(trail.notes) == 2
