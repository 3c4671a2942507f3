"""A small world for the pages: stores in memory, two administrators' worth of people, a few calls with real sound."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Self

import numpy as np
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import Route

from earshot.api import permissions
from earshot.api.audit_trail import RecordedTrail
from earshot.api.authority import Authority
from earshot.api.live import CallState, LiveCall, LiveDevice, LiveLeg, LiveSnapshot
from earshot.api.media import MediaReply
from earshot.api.tokens import Tokens
from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.media.formats.mp3 import encode_mp3
from earshot.media.formats.wav import wav_header
from earshot.media.peaks import Peaks
from earshot.ports import FinishedCall, LegFigures, RecordingFilter, SealedRecording
from earshot.ports.audit import AuditFilter
from earshot.protocol.decode import Request
from earshot.protocol.results import Result, ok
from earshot.protocol.shared_token import SharedToken
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore
from earshot.store.memory_access import MemoryAccess
from earshot.store.memory_audit import MemoryAudit, MemoryTokens
from earshot.web.application import build_app
from earshot.web.audit import AuditPages
from earshot.web.bearers import Bearers
from earshot.web.console import Console
from earshot.web.logins import Logins
from earshot.web.passwords import hash_password
from earshot.web.permitted import needs, page
from earshot.web.tokens import TokenPages
from earshot.web.updates import Pace

RATE_HZ = 8000
NOON = 1_700_049_600.0  # 15 November 2023, 12:00 UTC
PASSWORD = "correct horse battery"
PASSWORD_HASH = hash_password(PASSWORD)


class LiveBoard:
    """A LiveSource for tests: one side publishes, any number watch, each gets the newest."""

    def __init__(self) -> None:
        self.version = 0
        self._snapshot = LiveSnapshot()
        self._changed = asyncio.Event()

    def snapshot(self) -> LiveSnapshot:
        return self._snapshot

    def publish(self, snapshot: LiveSnapshot) -> None:
        self._snapshot = snapshot
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def subscribe(self) -> AsyncIterator[LiveSnapshot]:
        return Watch(self)

    async def newer_than(self, version: int) -> int:
        while self.version <= version:
            await self._changed.wait()
        return self.version


class Watch:
    def __init__(self, board: LiveBoard) -> None:
        self._board = board
        self._seen = board.version

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveSnapshot:
        self._seen = await self._board.newer_than(self._seen)
        return self._board.snapshot()


def speech(seconds: float, channels: int, seed: int) -> list[np.ndarray[tuple[int], np.dtype[np.int16]]]:
    """Something that looks like a conversation: bursts of a hum, the channels taking turns."""
    dice = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    turns = np.repeat(dice.random((channels, int(seconds * 5) + 1)) > 0.45, RATE_HZ // 5, axis=1)[:, : time.size]
    if channels == 2:
        turns[1] &= ~turns[0]
    loudness = 4000 + 9000 * np.abs(np.sin(time * 9.1 + seed))
    return [
        (turns[channel] * loudness * np.sin(time * 2 * np.pi * (180 + 60 * channel))).astype(np.int16)
        for channel in range(channels)
    ]


def wav_of(channels: list[np.ndarray[tuple[int], np.dtype[np.int16]]]) -> bytes:
    """The sealed form: PCM with interleaved channels."""
    return wav_header(len(channels), RATE_HZ, channels[0].size) + np.stack(channels, axis=1).tobytes()


@dataclass
class World:
    """Everything behind the pages, and the application in front of it."""

    clock: FakeClock
    store: MemoryStore
    storage: MemoryStorage
    live: LiveBoard
    logins: Logins
    folder: Path
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    trail: MemoryAudit = field(default_factory=MemoryAudit)
    token: SharedToken | None = None
    answers: dict[str, Result | MediaReply] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    allowed: Callable[[str], bool] | None = None
    pace: Pace = field(default_factory=lambda: Pace(between_s=0.01, heartbeat_s=0.2, login_s=60.0))

    def __post_init__(self) -> None:
        self.access = MemoryAccess(self.store)
        self.authority = Authority(self.access, self.clock, kept_s=0.0)
        self.audit = RecordedTrail(self.trail, self.clock)
        self.tokens = Tokens(MemoryTokens(self.store), self.authority, self.clock, lambda: self.audit)

    def app(self) -> Starlette:
        desk, trail = TokenPages(self.tokens), AuditPages(self.trail)
        more = [
            Route("/audit", page(trail.search, permissions.AUDIT_TRAIL)),
            Route("/audit.csv", needs(trail.csv, permissions.AUDIT_TRAIL)),
            Route("/audit.json", needs(trail.json, permissions.AUDIT_TRAIL)),
            Route("/tokens", page(desk.show, permissions.API_TOKENS), methods=["GET"]),
            Route("/tokens", page(desk.create, permissions.API_TOKENS), methods=["POST"]),
            Route("/tokens/{number:int}/revoke", page(desk.revoke, permissions.API_TOKENS), methods=["POST"]),
        ]
        console = Console(
            store=self.store,
            storage=self.storage,
            clock=self.clock,
            live=self.live,
            logins=self.logins,
            authority=self.authority,
            bearers=Bearers(self.tokens, self.clock, self.audit),
            audit=self.audit,
            export=self.export,
            registry=self.registry,
            zone=UTC,
        )
        return build_app(console, self.answer, allowed=self.allowed, pace=self.pace, more=more, token=self.token)

    async def acts(self) -> list[tuple[str, str, str]]:
        """(actor, act, subject) of the audit trail, oldest first."""
        entries = await self.trail.entries(AuditFilter(), 1000)
        return [(one.actor, one.act, one.subject) for one in reversed(entries)]

    async def role(self, user_id: int, *allowed: str) -> int:
        """Give a user a new role with these permissions."""
        number = await self.access.add_role(f"role {'+'.join(allowed)} of {user_id}")
        for permission in allowed:
            await self.access.grant(number, "permission", permission)
        await self.access.give_role(number, user_id)
        return number

    async def answer(self, request: Request) -> Result | MediaReply:
        self.asked.append(request)
        return self.answers.get(request.command.name) or ok(request)

    async def export(self, record_id: int, wanted: str, hears: bool) -> MediaReply | None:
        row = await self.store.recording(record_id)
        if row is None or not await self.storage.exists(row.sealed.object_name):
            return None
        wav = b"".join([chunk async for chunk in self.storage.read(row.sealed.object_name)])

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in encode_mp3(io.BytesIO(wav)):
                yield chunk

        assert wanted == "mp3"
        return MediaReply(media_type="audio/mpeg", file_name=f"{record_id}.mp3", chunks=chunks())

    async def keep(self, name: str, data: bytes) -> None:
        path = self.folder / "upload"
        path.write_bytes(data)
        await self.storage.put_file(name, path)

    async def add_call(
        self,
        number: int,
        *,
        seconds: float = 8.0,
        channels: int = 2,
        warnings: tuple[str, ...] = (),
        gaps: tuple[tuple[float, float, str], ...] = (),
        agent_id: int | None = None,
        variables: CallVariables | None = None,
        at: float | None = None,
    ) -> int:
        """A recorded call with sound, `number` minutes before noon; its RECORDID."""
        sound = speech(seconds, channels, number)
        wav = wav_of(sound)
        peaks = Peaks(channels, RATE_HZ, 50)
        peaks.add(sound)
        started = NOON - 60 * number if at is None else at
        variables = variables or CallVariables(
            device_id=str(200 + number % 7),
            device_alias=str(2000 + number % 7),
            ani=f"+4930123{number:04}",
            direction="I",
        )
        name = f"20231115/{number}.wav"
        await self.keep(name, wav)
        sealed = SealedRecording(
            key=f"rec-{number}",
            call_key=f"call-{number}",
            part=0,
            core=1,
            variables=variables,
            agent_id=agent_id,
            recording_time=started,
            duration_s=seconds,
            channels=channels,
            sample_rate_hz=RATE_HZ,
            object_name=name,
            file_name=f"C:\\Recordings\\20231115\\{variables.device_id}\\{variables.device_id}-{number}.wav",
            media_type="audio/wav",
            audio_sha256=hashlib.sha256(wav).hexdigest(),
            audio_size=len(wav),
            peaks=peaks.result(),
            peaks_per_second=50,
            legs=(
                LegFigures(side="agent", participant="sip:200@pbx", codec="PCMA", received=400, lost=3),
                LegFigures(side="other", participant="sip:+4930@pbx", codec="PCMA", received=398, lost=0, digits="42#"),
            )[:channels],
            gaps=gaps,
            ended_by="bye",
        )
        call = FinishedCall(
            key=f"call-{number}",
            core=1,
            variables=variables,
            agent_id=agent_id,
            started_at=started - 0.5,
            stopped_at=started + seconds,
            verdict="recorded",
            reason="bye",
            warnings=warnings,
            announced_by=("api", "siprec"),
            participants=({"name": "Sally <Smith>", "aor": "sip:200@pbx"}, {"aor": "sip:+4930123@pbx"}),
            leniencies={"unquoted_boundary": 2},
            metadata=("<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>",),
            recordings=(sealed,),
        )
        ((record_id,),) = await self.store.save_calls([call])
        return record_id

    async def add_hay(self, count: int) -> None:
        """`count` recordings without sound, newer than noon."""
        await self.add_call(100, seconds=0.1)
        ((_, straw),) = await self.store.calls(None, 1)
        (sealed,) = [row.sealed for row in await self.store.recordings(RecordingFilter(), 1)]
        await self.store.save_calls(
            [
                replace(
                    straw,
                    key=f"hay-{n}",
                    started_at=NOON + n,
                    recordings=(replace(sealed, key=f"hay-{n}", call_key=f"hay-{n}", recording_time=NOON + n),),
                )
                for n in range(count)
            ]
        )

    async def add_failed_call(self, number: int, reason: str = "no_sound") -> None:
        started = NOON - 60 * number
        call = FinishedCall(
            key=f"failed-{number}",
            core=1,
            variables=CallVariables(device_id="207", device_alias="2007", dnis="0800123", direction="O"),
            agent_id=None,
            started_at=started,
            stopped_at=started + 30,
            verdict="failed",
            reason=reason,
            announced_by=("api",),
        )
        await self.store.save_calls([call])


def a_snapshot(at: float, calls: int = 3) -> LiveSnapshot:
    """A few calls in all states."""
    states: tuple[CallState, ...] = ("recording", "recording", "waiting", "no_sound")
    return LiveSnapshot(
        at=at,
        devices=tuple(LiveDevice(device_id=str(200 + n), device_alias=str(2000 + n), agent="") for n in range(9)),
        calls=tuple(
            LiveCall(
                key=f"k{n}",
                device_id=str(200 + n),
                device_alias=str(2000 + n),
                agent=("Sally Smith", "Bob <b>Bold</b>", "", "Ann Ash")[n % 4],
                ani=f"+49301234{n}",
                direction="IO"[n % 2],
                dnis="0800555",
                started_at=at - 65 * n - 5,
                state=states[n % 4],
                legs=(LiveLeg(side="agent", codec="PCMA", packets=1234, level=0.7), LiveLeg(side="other", level=0.2))
                if states[n % 4] == "recording"
                else (),
                warnings=("unquoted_boundary",) if n == 1 else (),
            )
            for n in range(calls)
        ),
    )
