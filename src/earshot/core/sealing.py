"""Sealing: from an ended call to its verdict, its recordings in the storage and its rows in the store.

The order of steps keeps promise 1 (every row has its media) and makes each of them repeatable: render to a work file,
put it into the storage, save the rows, tell the journal, let go of the legs. Killed between any two steps, the next
start does the call again from the first step and arrives at the same files and the same rows.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from earshot.core.recorder import Recorder
from earshot.core.seal_gaps import gaps_of
from earshot.core.seal_job import LegJob, Sealed, SealJob
from earshot.core.verdicts import verdict_of
from earshot.engine.blackout_gaps import hidden_of, masks_of
from earshot.engine.directory import Agent
from earshot.engine.model import Call, Recording
from earshot.errors import StoreUnavailable
from earshot.journal.format import ChainPointer
from earshot.media.render import Limits
from earshot.ports import FinishedCall, SealedRecording, Storage, Store
from earshot.tasks import Spawner
from earshot.vault.keyring import Keyring

log = structlog.get_logger(__name__)
T = TypeVar("T")

MICROSECONDS = 1_000_000
FIRST_RETRY_S = 1.0
RETRY_S = 30.0
STORE_RETRY_S = 1.0
BATCH = 200
LINGER_S = 0.25
"""How long the rows of a finished call wait for those of others that are being sealed."""

LEAD_US = 60_000
"""How much earlier than its session a recording begins: the first packet holds sound from before it arrived."""
STEPS = ("rendered", "put", "saved", "logged", "journalled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealers:
    """What sealing works with. `render` does a job in a sealing process and raises BrokenExecutor when that dies.

    `synced` makes durable at once what is in the journal now, `settled` waits until it is. `tail` gives the newest
    entry of a leg (none for one that the journal has nothing of). `reached` is told the name of each step that is done
    (one of `STEPS`). `keyring` is None when nothing is encrypted.
    """

    store: Store
    storage: Storage
    journal: Path
    work: Path
    render: Callable[[SealJob], Awaitable[Sealed]]
    synced: Callable[[], Awaitable[None]]
    settled: Callable[[], Awaitable[None]]
    tail: Callable[[int], ChainPointer]
    agent_on: Callable[[str, str], Agent | None]
    limits: Limits
    workers: int = 1
    keyring: Keyring | None = None
    reached: Callable[[str], None] = lambda _: None


class Sealing:
    """The queue of ended calls, worked off by a few sealing processes and one writer of rows.

    Calls that no sound ever reached do not wait behind those that must be rendered.
    """

    def __init__(self, recorder: Recorder, tools: Sealers, spawner: Spawner) -> None:
        self._recorder = recorder
        self._tools = tools
        self._spawner = spawner
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self._soundless: asyncio.Queue[str] = asyncio.Queue()
        self._finished: asyncio.Queue[FinishedCall] = asyncio.Queue()
        self._open: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._attempts: Counter[str] = Counter()
        self._store_is_away = False
        self._masks: dict[str, tuple[tuple[int, int], ...]] = {}
        self._hidden: dict[str, tuple[tuple[int, int], ...]] = {}
        self._awaited: dict[str, list[asyncio.Future[None]]] = {}
        self.failing: dict[str, str] = {}
        self.on_saved: list[Callable[[], Awaitable[None]]] = []
        self.on_stored: list[Callable[[FinishedCall, tuple[int, ...]], None]] = []

    def start(self) -> None:
        """Begin to work; calls that were queued before wait for this."""
        for number in range(self._tools.workers):
            self._spawner.spawn(f"seal-{number}", self._seal_calls())
        self._spawner.spawn("seal-soundless", self._seal_soundless())
        self._spawner.spawn("seal-rows", self._save_rows())

    def enqueue(self, key: str) -> None:
        """The call has ended: seal it when its turn comes. No error, and no second turn, if it waits already."""
        if key not in self._open:
            self._open.add(key)
            self._idle.clear()
            call = self._recorder.state.calls[key]
            queue = self._waiting if any(one.kept for one in call.attachments) else self._soundless
            queue.put_nowait(key)

    @property
    def waiting(self) -> int:
        """How many ended calls have no rows yet."""
        return len(self._open)

    async def idle(self) -> None:
        """Wait until every ended call has its rows."""
        await self._idle.wait()

    async def stored(self, key: str) -> None:
        """Wait until an ended call whose sealing has begun has its rows; others are sealed by what is true by then."""
        if key in self._masks:
            stored = asyncio.get_running_loop().create_future()
            self._awaited.setdefault(key, []).append(stored)
            await stored

    async def _seal_calls(self) -> None:
        while True:
            await self._seal([await self._waiting.get()], self._waiting, self._tools.synced)

    async def _seal_soundless(self) -> None:
        """Nothing of these is read from the journal: many are finished together, after its next regular flush."""
        while True:
            await self._seal(await _some(self._soundless), self._soundless, self._tools.settled)

    async def _seal(self, keys: list[str], queue: asyncio.Queue[str], durable: Callable[[], Awaitable[None]]) -> None:
        for number, key in enumerate(keys):
            try:
                if number == 0:
                    await durable()
                finished = await self._finish(self._recorder.state.calls[key])
            except Exception as failure:  # noqa: BLE001 one call that cannot be sealed must not stop the others
                self._again(key, queue, key, failure)
            else:
                self._finished.put_nowait(finished)

    def _again(self, key: str, queue: "asyncio.Queue[T]", turn: T, failure: Exception) -> None:
        """Try later what failed, ever less often, and say so where operators look. The sound stays in the journal.

        When a sealing process died it was rarely the fault of the call: the first time it gets another one at once.
        """
        self._attempts[key] += 1
        attempt = self._attempts[key]
        at_once = isinstance(failure, BrokenExecutor) and attempt == 1
        delay_s = 0.0 if at_once else min(FIRST_RETRY_S * 2 ** (attempt - 1), RETRY_S)
        log.error("sealing_failed", call=key, why=repr(failure), attempt=attempt, again_in_s=delay_s)
        self.failing[key] = repr(failure)
        asyncio.get_running_loop().call_later(delay_s, queue.put_nowait, turn)

    # --- one call ---------------------------------------------------------------------------------------------------

    async def _finish(self, call: Call) -> FinishedCall:
        sealed: list[SealedRecording] = []
        packets = 0
        warnings: tuple[str, ...] = ()
        too_short = False
        self._masks[call.key], self._hidden[call.key] = masks_of(call), hidden_of(call)
        call.decided = self._recorder.judge(call)
        for recording in call.recordings:
            if not recording.object_name or not any(one.kept for one in call.attachments):
                continue
            if is_too_short(call, recording):
                too_short = True
                continue
            job = self._job(call, recording)
            done = await self._tools.render(job)
            if done.rendered is None:
                continue
            self._tools.reached("rendered")
            await self._tools.storage.put_file(recording.object_name, job.out_path)
            self._tools.reached("put")
            sealed.append(self._row(call, recording, job, done))
            if recording.part == 0:
                packets, warnings = done.packets, tuple(done.rendered.warnings)
        verdict = verdict_of(call, packets or len(sealed), warnings, too_short and not sealed)
        agent = self._agent(call)
        assert call.stopped_us is not None
        return FinishedCall(
            key=call.key,
            core=self._recorder.ident,
            variables=call.variables,
            agent_id=agent.user_id if agent else None,
            started_at=call.started_us / MICROSECONDS,
            stopped_at=call.stopped_us / MICROSECONDS,
            verdict=verdict.verdict,
            reason=verdict.reason,
            warnings=verdict.warnings,
            announced_by=tuple(call.announced_by),
            participants=tuple(call.participants),
            leniencies=dict(call.leniencies),
            metadata=tuple(call.metadata),
            recordings=tuple(sealed),
            decision=asdict(call.decided) if call.decided is not None else {},
        )

    def _agent(self, call: Call) -> Agent | None:
        return self._tools.agent_on(call.device_id, call.variables.device_alias)

    def _job(self, call: Call, recording: Recording) -> SealJob:
        assert recording.until_us is not None
        kept = [one for one in call.attachments if one.kept]
        first_us = min(one.from_us for one in kept)
        last_us = max(one.until_us or recording.until_us for one in kept)
        start_us = first_us - LEAD_US
        if recording.part:
            start_us = max(start_us, recording.from_us)
        stop_us = max(start_us, min(recording.until_us, last_us))
        legs = tuple(
            LegJob(
                facts=one.facts,
                tail=self._tools.tail(one.facts.leg),
                from_us=one.from_us,
                until_us=one.until_us or stop_us,
            )
            for one in kept
        )
        return SealJob(
            journal=self._tools.journal,
            out_path=self._tools.work / f"{call.key}-{recording.part}.wav",
            start_us=start_us,
            stop_us=stop_us,
            legs=legs,
            limits=self._tools.limits,
            masks=self._masks[call.key],
            keyring=self._tools.keyring,
            object_name=recording.object_name,
        )

    def _row(self, call: Call, recording: Recording, job: SealJob, done: Sealed) -> SealedRecording:
        rendered = done.rendered
        assert rendered is not None
        agent = self._agent(call)
        return SealedRecording(
            key=f"{call.key}/{recording.part}",
            call_key=call.key,
            part=recording.part,
            core=self._recorder.ident,
            variables=call.variables.changed(recording.changes),
            agent_id=agent.user_id if agent else None,
            recording_time=job.start_us / MICROSECONDS,
            duration_s=rendered.duration_s,
            channels=rendered.channels,
            sample_rate_hz=rendered.sample_rate_hz,
            object_name=recording.object_name,
            file_name=recording.file_name,
            media_type="audio/wav",
            audio_sha256=rendered.sha256,
            audio_size=rendered.size,
            peaks=rendered.peaks,
            peaks_per_second=rendered.peaks_per_second,
            legs=rendered.leg_figures,
            gaps=gaps_of(call, job, rendered.gaps),
            ended_by=call.ended_by,
        )

    # --- rows -------------------------------------------------------------------------------------------------------

    async def _save_rows(self) -> None:
        while True:
            batch = [await self._finished.get()]
            if len(self._open) > 1:
                # A transaction costs about the same for one call and for ten, and others are on their way.
                await asyncio.sleep(LINGER_S)
            batch += _there(self._finished, BATCH - 1)
            if not await self._saved(batch):
                for finished in batch:
                    await self._saved([finished])

    async def _saved(self, batch: list[FinishedCall]) -> bool:
        """Save these calls together. One that fails alone will be tried again; of several, False: try them singly."""
        try:
            await self._save(batch)
        except Exception as failure:  # noqa: BLE001 a row that the store does not take must not stop the others
            if len(batch) > 1:
                return False
            self._again(batch[0].key, self._finished, batch[0], failure)
        return True

    def _again_if_blacked_out(self, batch: list[FinishedCall]) -> list[FinishedCall]:
        """The batch without the calls of which a blackout has taken more since they were rendered: once more."""
        stale = [one for one in batch if self._blacked_out_more(self._recorder.state.calls[one.key])]
        for one in stale:
            self._waiting.put_nowait(one.key)
        return [one for one in batch if one not in stale]

    def _blacked_out_more(self, call: Call) -> bool:
        return masks_of(call) != self._masks[call.key] or hidden_of(call) != self._hidden[call.key]

    async def _save(self, batch: list[FinishedCall]) -> None:
        stored: list[tuple[int, ...]] | None = None
        while stored is None:
            batch = self._again_if_blacked_out(batch)
            if not batch:
                return
            stored = await self._tried(partial(self._tools.store.save_calls, batch))
        self._tools.reached("saved")
        for follow in self.on_saved:
            await follow()
        self._tools.reached("logged")
        for finished, record_ids in zip(batch, stored, strict=True):
            await self._catch_up(finished, record_ids)
            self._recorder.call_stored(finished.key)
            self._forget(finished.key)
            for told in self.on_stored:
                told(finished, record_ids)
        self._tools.reached("journalled")

    def _forget(self, key: str) -> None:
        self.failing.pop(key, None)
        self._masks.pop(key, None)
        self._hidden.pop(key, None)
        del self._attempts[key]
        self._open.discard(key)
        for waiting in self._awaited.pop(key, ()):
            if not waiting.done():
                waiting.set_result(None)
        if not self._open:
            self._idle.set()

    async def _insisting(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, waiting for a store that is away or locked for as long as it takes."""
        while (done := await self._tried(work)) is None:
            pass
        return done

    async def _tried(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do `work`; None after a pause when the store is away or locked."""
        try:
            done = await work()
        except StoreUnavailable as away:
            if not self._store_is_away:
                log.error("store_away", why=str(away), waiting=self.waiting)
            self._store_is_away = True
            await asyncio.sleep(STORE_RETRY_S)
            return None
        self._store_is_away = False
        return done

    async def _catch_up(self, finished: FinishedCall, record_ids: tuple[int, ...]) -> None:
        """A CALLUPDATE may have come between sealing and saving: bring the rows up to the call's variables."""
        call = self._recorder.state.calls.get(finished.key)
        if call is None or call.variables is finished.variables or call.variables == finished.variables:
            return
        changes = {**call.said_by_signalling, **call.said_by_api}
        for record_id in record_ids:
            await self._insisting(partial(self._tools.store.update_recording, record_id, changes))


async def _some(queue: asyncio.Queue[T]) -> list[T]:
    """Wait for one, and take what waits with it, `BATCH` at most."""
    return [await queue.get(), *_there(queue, BATCH - 1)]


def _there(queue: asyncio.Queue[T], most: int) -> list[T]:
    """What waits in the queue now."""
    return [queue.get_nowait() for _ in range(min(most, queue.qsize()))]


def is_too_short(call: Call, recording: Recording) -> bool:
    """Whether the schedule's minimum length has this recording thrown away; never one that RECORDSTART asked for."""
    least_s = call.decided.options.min_length_s if call.decided is not None else 0
    if not least_s or recording.part or recording.asked or recording.until_us is None:
        return False
    began_us = min((one.from_us for one in call.attachments if one.kept), default=recording.from_us)
    return recording.until_us - max(began_us, recording.from_us) < least_s * MICROSECONDS
