"""Blackouts as the core carries them out: nothing is answered before it holds, and what cannot be done is tried again.

Masking itself is an effect like others (recorder). Here: the timer of blackouts that begin or end by themselves, the
removal of what was written already, and what the API waits for. The one rule: a blackout that is not in force
everywhere is an error: in the answer, in the log and in `failing`, until it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from earshot.core.recorder import MICROSECONDS, Recorder
from earshot.engine import blackouts
from earshot.engine.blackout_values import (
    BlackoutInput,
    BlackoutsDue,
    Removal,
    RemoveSound,
    SoundRemoved,
    WakeForBlackouts,
)
from earshot.errors import EarshotError
from earshot.ports import CoreAway
from earshot.ports.blackouts import OnHold
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

FIRST_RETRY_S = 0.5
RETRY_S = 30.0
LONGEST_SLEEP_S = 3600.0
EARLY_S = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Removers:
    """`journal(leg, from_us, to_us)` overwrites in the journal what a leg heard (KeyError: nothing is kept of it).
    `released(from_us, to_us)` overwrites what sealed calls left in it. `synced` makes the journal durable.
    `stored(call)` waits until an ended call has its rows. `sealed` silences sealed recordings, or marks them where the
    sound is kept, and gives how many the removal reaches (OnHold: a legal hold is in the way). `patience_s` is how long
    a command waits for all that."""

    journal: Callable[[int, int, int], Awaitable[int]]
    released: Callable[[int, int], Awaitable[int]]
    synced: Callable[[], Awaitable[None]]
    stored: Callable[[str], Awaitable[None]]
    sealed: Callable[[Removal], Awaitable[int]]
    patience_s: float = 10.0


class Blackouts:
    """The part of one core. `failing` says, by removal, why sound that must go is still there."""

    def __init__(self, recorder: Recorder, removers: Removers, spawner: Spawner) -> None:
        self._recorder = recorder
        self._removers = removers
        self._spawner = spawner
        self._timer: asyncio.TimerHandle | None = None
        self._first_tries: dict[int, asyncio.Future[str | OnHold]] = {}
        self._swept: set[int] = set()
        self.failing = recorder.blackouts_failing
        recorder.blackouts = self.black_out
        recorder.perform_with(RemoveSound, lambda effect, _: self._begin(effect.number))
        recorder.perform_with(WakeForBlackouts, lambda effect, _: self._wake())

    def resume(self) -> None:
        """Go on where the last process stopped: what was not removed, and what has come due meanwhile."""
        for number in list(self._recorder.state.removals):
            self._begin(number)
        if self._recorder.state.blackouts:
            self._due()

    def close(self) -> None:
        """No more timers."""
        if self._timer is not None:
            self._timer.cancel()

    async def black_out(self, told: BlackoutInput) -> None:
        """See `earshot.ports.CoreLink.black_out`."""
        before = set(self._first_tries)
        self._recorder.tell(told)
        mine = [self._first_tries[number] for number in self._first_tries.keys() - before]
        try:
            async with asyncio.timeout(self._removers.patience_s):
                await self._removers.synced()
                problems = [await asyncio.shield(one) for one in mine]
        except (TimeoutError, OSError) as failure:
            problems = [str(failure) or "it took too long"]
        for problem in problems:
            if isinstance(problem, OnHold):
                raise problem
        wrong = "; ".join(str(problem) for problem in problems if problem)
        if wrong:
            log.error("blackout_not_in_force", core=self._recorder.ident, told=type(told).__name__, why=wrong)
            raise CoreAway(wrong)

    # --- what begins and ends by itself -----------------------------------------------------------------------------

    def _wake(self) -> None:
        """Set the timer to what is due next."""
        spans = [span for one in self._recorder.state.blackouts.values() for span in one.spans]
        due_us = blackouts.next_due(spans)
        self.close()
        if due_us is not None:
            wait_s = (due_us - self._recorder.now_us()) / MICROSECONDS
            wait_s = min(max(wait_s, 0.0) + EARLY_S, LONGEST_SLEEP_S)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)

    def _due(self) -> None:
        """Tell the engine if anything is due by now; wait for the next in any case."""
        spans = [span for one in self._recorder.state.blackouts.values() for span in one.spans]
        due_us = blackouts.next_due(spans)
        if due_us is not None and due_us <= self._recorder.now_us():
            self._recorder.apply(BlackoutsDue())
        self._wake()

    # --- what was written already -----------------------------------------------------------------------------------

    def _begin(self, number: int) -> None:
        self._first_tries[number] = asyncio.get_running_loop().create_future()
        self._spawner.spawn(f"blackout-{number}", self._remove(self._recorder.state.removals[number]))

    async def _remove(self, removal: Removal) -> None:
        """Remove it, however often that must be tried."""
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._try(removal)
            except (OSError, EarshotError) as failure:
                if isinstance(failure, OnHold) and removal.together:
                    log.warning("blackout_refused", removal=removal.number, why=str(failure))
                    self._done(removal.number, failure)
                    return
                why = str(failure) or repr(failure)
                if self.failing.get(removal.number) != why:  # a hold may stand for years
                    log.error("blackout_not_applied", removal=removal.number, why=why, again_in_s=delay_s)
                self.failing[removal.number] = why
                self._tried(removal.number, why)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, RETRY_S)
            else:
                self._done(removal.number, "")
                return

    def _done(self, number: int, why: str | OnHold) -> None:
        self.failing.pop(number, None)
        self._swept.discard(number)
        self._recorder.apply(SoundRemoved(number=number))
        self._tried(number, why)

    def _tried(self, number: int, why: str | OnHold) -> None:
        first = self._first_tries.pop(number, None)
        if first is not None and not first.done():
            first.set_result(why)

    async def _try(self, removal: Removal) -> None:
        places = 0
        left_behind = False
        for leg in () if removal.hide else removal.legs:
            try:
                places += await self._removers.journal(leg, removal.from_us, removal.until_us)
            except KeyError:
                left_behind = True  # it was sealed meanwhile, or nothing was kept of it
        for key in removal.calls:
            await self._removers.stored(key)
        try:
            sealed = await self._removers.sealed(removal)
        except OnHold:
            await self._sweep_once(removal)
            raise
        if (sealed or left_behind) and not removal.hide:
            places += await self._removers.released(removal.from_us, removal.until_us)
        what = "blackout_hid_sound" if removal.hide else "blackout_removed_sound"
        log.info(what, removal=removal.number, packets=places, sealed_recordings=sealed)

    async def _sweep_once(self, removal: Removal) -> None:
        """What is held stays in its media alone: the journal is no part of it, and what lies there of others goes."""
        if not (removal.together or removal.hide or removal.number in self._swept):
            await self._removers.released(removal.from_us, removal.until_us)
            self._swept.add(removal.number)
