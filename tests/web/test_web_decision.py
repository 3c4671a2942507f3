"""What the pages of calls and recordings, and the live page's rows, say of what the schedules decided."""

from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.faults.core_parts import Core
from tests.web.world import World

from earshot.api.happenings import live_snapshot
from earshot.api.live import LiveCall
from earshot.api.schedules import NOT_YET
from earshot.engine.directory import Directory
from earshot.engine.schedule_values import (
    CallDecided,
    CutRecording,
    Decided,
    Decision,
    Named,
    Options,
    SchedulesInForce,
)

GOLD, ALL = Named(number=3, name="Gold <calls>"), Named(number=1, name="Everything")
HALF = Named(number=2, name="Half", why="50 % leave it out")
BOTH = Decided(at=1.7e9, winner=GOLD, options=Options(priority=7, screen=True), matched=(GOLD, ALL), missed=(HALF,))


async def store_decided(world: World, decided: Decided | None) -> int:
    """A recorded call of which that was decided; its number. Its recording has the same."""
    await world.add_call(1)
    whole = await world.store.call(1)
    assert whole is not None
    recordings = tuple(replace(one, key="decided-0", call_key="decided") for one in whole.recordings)
    decision = asdict(decided) if decided is not None else {}
    await world.store.save_calls([replace(whole, key="decided", decision=decision, recordings=recordings)])
    return 2


@pytest.mark.parametrize("path", ["/calls/2", "/recordings/2"])
async def test_a_page_says_which_schedules_matched_which_won_and_why(
    world: World, admin: httpx.AsyncClient, path: str
) -> None:
    await store_decided(world, BOTH)
    page = (await admin.get(path)).text
    for words in (
        "Recorded by schedule 3, Gold &lt;calls&gt;.",
        "the highest priority of those that took the call (7)",
        "Gold &lt;calls&gt;: won",
        "Everything: took the call too",
        "Half matched, but: 50 % leave it out",
        "Asked for with the sound.",
    ):
        assert words in page, words


async def test_a_page_of_a_call_that_nothing_matched_or_nothing_decided(world: World, admin: httpx.AsyncClient) -> None:
    await store_decided(world, Decided(at=1.7e9))
    page = (await admin.get("/calls/2")).text
    assert "Not recorded: no schedule took it." in page and "No schedule." in page
    page = (await admin.get("/calls/1")).text
    assert "It was not decided" in page and "Why this one" not in page


def seen(core: Core) -> LiveCall:
    context: Any = SimpleNamespace(
        cores=SimpleNamespace(links=[core.recorder]), clock=core.clock, directory=Directory()
    )
    (call,) = live_snapshot(context).calls
    return call


def test_a_call_that_nobody_wants_is_not_said_to_be_recorded() -> None:
    core = Core()
    core.recorder.apply(SchedulesInForce())
    call = core.session("555")
    core.hear("555")
    assert seen(core).decision == NOT_YET

    def decide(decision: Decision) -> None:
        core.recorder.apply(CallDecided(call=call.key, trigger="start", at=1.7e9, revision=1, decision=decision))

    decide(Decision())
    unwanted = seen(core)
    assert (unwanted.state, unwanted.decision) == ("not_recorded", "Not recorded: no schedule took it.")
    decide(Decision(winner=ALL, matched=(ALL,)))
    wanted = seen(core)
    assert (wanted.state, wanted.decision) == ("recording", "Recorded by schedule 1, Everything.")
    core.recorder.apply(CutRecording(call=call.key, why="max_length"))
    cut = seen(core)
    assert cut.state == "not_recorded"
    assert cut.decision == "Recorded by schedule 1, Everything. The recording has ended: max length."


def test_without_schedules_nothing_is_said_of_them() -> None:
    core = Core()
    core.session("555")
    core.hear("555")
    assert (seen(core).state, seen(core).decision) == ("recording", "")
