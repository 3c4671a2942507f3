"""What every `Screens` must do, run against each of them."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contracts.test_sight_contract import some_sight

from earshot.actor import EVERYTHING, NOTHING, Visibility
from earshot.clock import FakeClock
from earshot.engine.variables import CallVariables
from earshot.errors import StoreUnavailable
from earshot.ports import User
from earshot.ports.screens import ScreenRow, Screens, ScreenSegment, ScreenSession, Whose
from earshot.store.memory_screens import MemoryScreens
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.screens import SqlScreens

JANE = User(username="jdoe", first_name="Jane", last_name="Doe")


@pytest.fixture(params=["memory", "sqlite"])
async def screens(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Screens]:
    if request.param == "memory":
        yield MemoryScreens(lambda number: JANE if number == 1 else None)
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    assert await SqlStore(database, FakeClock()).add_user(JANE) == 1
    yield SqlScreens(database)
    await database.close()


def segment(number: int) -> ScreenSegment:
    return ScreenSegment(
        number=number,
        object_name=f"screens/20260101/82738/1-1-1-{number:06}.webm",
        media_type="video/webm",
        sha256=f"hash{number}",
        size=5_000_000_000 + number,
        began_at=1000.25 * number,
        duration_s=10.5,
    )


def session(key: str, at: float = 1000.5, **more: object) -> ScreenSession:
    made = ScreenSession(
        key=key,
        core=1,
        session_id="82738",
        agent_id=1,
        started_at=at,
        stopped_at=at + 60,
        state="ended",
        verdict="captured",
        ended_by="chatstop",
        computer="PC1",
        username="jdoe",
        variables=CallVariables(
            session_id="82738",
            device_id="200",
            group="53",
            direction="I",
            keep_days=30,
            users=("Zoë", *("",) * 13, "<b>"),
        ),
        warnings=("interrupted",),
        black_spans=((1.5, 2.5),),
        segments=(segment(1), segment(3)),
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def test_what_is_saved_comes_back_whole(screens: Screens) -> None:
    number = await screens.save_screen(session("a"))
    row = await screens.screen(number)
    assert row is not None
    assert row.session == session("a")
    assert (row.number, row.agent_first_name, row.agent_last_name, row.agent_username) == (1, "Jane", "Doe", "jdoe")
    assert (await screens.screens(10))[0] == row


async def test_saving_twice_is_saving_once(screens: Screens) -> None:
    first = await screens.save_screen(session("a"))
    assert await screens.save_screen(session("a", reason="another", segments=())) == first
    assert [row.session for row in await screens.screens(10)] == [session("a")]


async def test_an_agent_that_is_not_known_any_more_and_no_segments(screens: Screens) -> None:
    bare = session("a", agent_id=99, segments=(), verdict="not_captured", reason="no_desktop", black_spans=())
    row = await screens.screen(await screens.save_screen(bare))
    assert row is not None and row.session == bare and row.agent_username == ""


async def test_lists_are_newest_first_in_pages_and_by_sessionid(screens: Screens) -> None:
    times = [1000.0, 3000.0, 2000.0, 2000.0]
    for number, at in enumerate(times):
        await screens.save_screen(session(str(number), at, session_id="x" if number == 1 else "82738"))
    assert [row.session.key for row in await screens.screens(10)] == ["1", "3", "2", "0"]
    assert [row.session.key for row in await screens.screens(10, session_id="82738")] == ["3", "2", "0"]
    first = await screens.screens(2)
    last = first[-1]
    rest = await screens.screens(10, (last.session.started_at, last.number))
    assert [row.session.key for row in rest] == ["2", "0"]
    assert await screens.screens(0) == []
    assert await screens.screens(10, session_id="x' OR 1=1 --") == []


async def test_lists_by_device_and_whose_sessions_ran_in_a_span(screens: Screens) -> None:
    """Each lasts a minute."""
    elsewhere = CallVariables(session_id="82738", device_id="300")
    await screens.save_screen(session("a", 1000.0, session_id="x"))
    await screens.save_screen(session("b", 1050.0, agent_id=7, variables=elsewhere))
    await screens.save_screen(session("c", 5000.0))
    assert [row.session.key for row in await screens.screens(10, device_id="200")] == ["c", "a"]
    assert [row.session.key for row in await screens.screens(10, session_id="82738", device_id="300")] == ["b"]
    mine = Whose(session_ids=frozenset({"x"}), numbers=frozenset({"300"}))
    assert [row.session.key for row in await screens.screens_of(mine, 1055.0, 1056.0)] == ["a", "b"]
    assert [row.session.key for row in await screens.screens_of(mine, 1060.0, 1070.0)] == ["b"]
    assert [row.session.key for row in await screens.screens_of(Whose(agents=frozenset({1})), 900.0, 9000.0)] == [
        "a",
        "c",
    ]
    assert await screens.screens_of(Whose(), 900.0, 9000.0) == []


async def fill(screens: Screens, dice: random.Random, count: int) -> list[ScreenRow]:
    """Sessions with few different values, blank ones among them, and moments that some share; newest first."""
    for number in range(count):
        variables = CallVariables(
            session_id=dice.choice(["x", "y"]),
            device_id=dice.choice(["", "100", "200", "300"]),
            device_alias=dice.choice(["", "", "100", "500"]),
            group=dice.choice(["", "Sales", "sales"]),
            gate=dice.choice(["", "Gold Level", "Silver"]),
        )
        whose = {"agent_id": dice.randrange(4), "session_id": variables.session_id, "variables": variables}
        await screens.save_screen(session(str(number), float(dice.randrange(count)), segments=(), **whose))
    return list(await screens.screens(count))


@pytest.mark.parametrize("seed", range(2))
async def test_lists_show_exactly_what_may_be_seen(screens: Screens, seed: int) -> None:
    dice = random.Random(seed)
    everything = await fill(screens, dice, 80)
    assert len(everything) == 80
    shown = 0
    for _ in range(15):
        sees, limit = some_sight(dice, [1, 2, 3]), dice.choice([1, 5, 1000])
        for session_id, device_id, before in (
            *(("", "", None), ("x", "", None), ("", "100", None), ("y", "200", None)),
            *(("", "", (40.0, 30)), ("", "100", (40.0, 30)), ("x", "", (40.0, 30))),
        ):
            wanted = [
                row.number
                for row in everything
                if may_be_seen(row, sees)
                and session_id in ("", row.session.session_id)
                and device_id in ("", row.session.variables.device_id)
                and (before is None or (row.session.started_at, row.number) < before)
            ]
            got = await screens.screens(limit, before, session_id, device_id, sees)
            assert [row.number for row in got] == wanted[:limit], (sees, session_id, device_id, before)
            shown += len(got)
    assert shown > 300
    assert await screens.screens(1000, seen_by=EVERYTHING) == everything
    for session_id in ("", "x"):
        assert await screens.screens(1000, session_id=session_id, seen_by=NOTHING) == []
    blank = frozenset({""})
    assert await screens.screens(1000, seen_by=Visibility(phones=blank, groups=blank, gates=blank)) == []


def may_be_seen(row: ScreenRow, sees: Visibility) -> bool:
    said = row.session.variables
    return sees.shows(
        agent_id=row.session.agent_id,
        device_id=said.device_id,
        device_alias=said.device_alias,
        group=said.group,
        gate=said.gate,
    )


async def test_pages_of_what_may_be_seen_are_full(screens: Screens) -> None:
    """However many sessions of others lie between."""
    for number in range(60):
        await screens.save_screen(
            session(str(number), float(number), agent_id=7 if number % 20 == 0 else 8, segments=())
        )
    mine, seen, before = Visibility(agents=frozenset({7})), [], None
    while page := await screens.screens(2, before, seen_by=mine):
        seen += [row.session.key for row in page]
        before = page[-1].session.started_at, page[-1].number
    assert seen == ["40", "20", "0"]


async def test_many_phones_are_seen(screens: Screens) -> None:
    """More values than one statement takes, on each way to find rows."""
    for number in range(8):
        variables = CallVariables(session_id="82738", device_id=str(number * 700))
        await screens.save_screen(session(str(number), float(number), variables=variables, segments=()))
    sees = Visibility(phones=frozenset(map(str, range(0, 5000, 100))) | frozenset(f"x{one}" for one in range(3000)))
    for session_id in ("", "82738"):
        got = await screens.screens(50, None, session_id, seen_by=sees)
        assert [row.session.key for row in got] == ["7", "6", "5", "4", "3", "2", "1", "0"]
    assert [row.session.key for row in await screens.screens(50, device_id="1400", seen_by=sees)] == ["2"]


async def test_pictures_that_were_rewritten(screens: Screens) -> None:
    number = await screens.save_screen(session("a"))
    other = await screens.save_screen(session("b"))
    assert await screens.renew_screen(number, {3: ("other", 7)}, ((0.5, 4.0),))
    row, untouched = await screens.screen(number), await screens.screen(other)
    assert row is not None and untouched is not None
    wanted = (segment(1), replace(segment(3), sha256="other", size=7))
    assert row.session == session("a", segments=wanted, black_spans=((0.5, 4.0),))
    assert untouched.session == session("b")
    assert not await screens.renew_screen(99, {}, ())


async def test_there_is_no_such_session(screens: Screens) -> None:
    assert await screens.screen(1) is None


async def test_every_segment_is_named_for_the_check(screens: Screens) -> None:
    await screens.save_screen(session("a"))
    await screens.save_screen(session("b", segments=(segment(2),)))
    found = [one async for one in screens.all_screen_objects()]
    assert found == [(one.object_name, one.sha256, one.size) for one in (segment(1), segment(3), segment(2))]


async def test_a_store_that_is_away_says_so(tmp_path: Path) -> None:
    memory = MemoryScreens()
    memory.unavailable = True
    for away in (memory, SqlScreens(database_at(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}"))):
        with pytest.raises(StoreUnavailable):
            await away.save_screen(session("a"))
        with pytest.raises(StoreUnavailable):
            await away.screens(1)
