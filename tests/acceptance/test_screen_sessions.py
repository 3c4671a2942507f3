"""Screen sessions against a running server, with the desktop agent that captures in this process."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from tests.servers import LiveServer, SilentDesktop, Speaker, in_process, running

from earshot.capture.in_process import HEIGHT, InProcessAgent, read_number
from earshot.clock import SystemClock
from earshot.config import load
from earshot.operations import check_data, create_user
from earshot.ports.capture import Hello, ScreenStopped, SegmentFinished, StartScreen, StopScreen
from earshot.ports.screens import ScreenRow
from earshot.premises import database_of
from earshot.store.sql.screens import SqlScreens
from earshot.tasks import Spawner

PATIENCE_S = 60.0


def text(answer: bytes, tag: str) -> str:
    match = re.search(rf"<{tag}>(.*?)</{tag}>", answer.decode())
    return match[1] if match else "(absent)"


async def add_jdoe(server: Speaker) -> str:
    """An agent of whom every name is known; returns USERID."""
    added = await server.command(
        "IMPORTUSER",
        ACTION="ADD",
        USERNAME="JDOE",
        FIRST_NAME="Jane",
        LAST_NAME="Doe",
        EMPLOYEE_ID="E-7",
        SYS_USER="jdoe",
        DOMAIN="uptivity.com",
        CRM_USER="crm.jane",
        PHONES="3545",
    )
    assert text(added, "RESULTTYPE") == "API_OK"
    return text(added, "USERID")


async def eventually(look: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not look():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


async def rows_of(data_dir: Path, count: int, database_url: str = "") -> Sequence[ScreenRow]:
    """The stored sessions, newest first, once there are `count`."""
    database = database_of(load(data_dir=data_dir, database_url=database_url))
    await database.open()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(rows := await SqlScreens(database).screens(100)) < count:
                await asyncio.sleep(0.05)
            return rows
    finally:
        await database.close()


def pictures(data_dir: Path, row: ScreenRow) -> list[int | None]:
    """The numbers of all frames of a stored session, None for black ones."""
    found: list[int | None] = []
    for segment in row.session.segments:
        with av.open(str(data_dir / "recordings" / segment.object_name)) as container:
            found += [read_number(frame.to_ndarray()[:HEIGHT]) for frame in container.decode(video=0)]
    return found


@asynccontextmanager
async def desktop_of(server: Speaker, computer: str = "PC1", username: str = "jdoe") -> AsyncIterator[InProcessAgent]:
    assert server.inside is not None
    spawner = Spawner()
    agent = InProcessAgent(
        server.inside.context.desktops,
        Hello(computer=computer, username=username, domain="UPTIVITY"),
        intake=server.data_dir / "capture",
        clock=SystemClock(),
        spawner=spawner,
        fps=20,
        segment_s=0.5,
        keyring=server.inside.keyring,
    )
    agent.start()
    try:
        yield agent
    finally:
        agent.stop()
        await spawner.close()


def objects(server: Speaker) -> list[Path]:
    return sorted((server.data_dir / "recordings").rglob("*.webm"))


# --- the whole way ----------------------------------------------------------------------------------------------------


async def test_start_update_stop_and_what_is_kept(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    async with desktop_of(live_server):
        await live_server.command("CHATSTART", SESSIONID="a/../82738", KEYNAME="USERNAME", KEYVALUE="jdoe")
        await live_server.command("CHATUPDATE", SESSIONID="a/../82738", GROUP=53, USER1="Gold Level", KEEPDAYS=30)
        await eventually(lambda: len(objects(live_server)) >= 2, "two segments in the storage")
        again = await live_server.command("CHATSTART", SESSIONID="a/../82738", KEYNAME="USERNAME", KEYVALUE="jdoe")
        assert text(again, "RESULTMSG") == "CHATSTART sent to all of the following cores: 1"
        await live_server.command("CHATUPDATE", SESSIONID="a/../82738", GROUP="", GATE=9, DEVICEALIAS="")
        await live_server.command("CHATSTOP", SESSIONID="a/../82738")
        (row,) = await rows_of(live_server.data_dir, 1)
    session = row.session
    assert (session.session_id, session.state, session.verdict, session.ended_by) == (
        *("a/../82738", "ended", "captured"),
        "chatstop",
    )
    known = session.variables
    assert (known.group, known.gate, known.users[0], known.keep_days) == ("", "9", "Gold Level", 30)
    assert (session.computer, session.username, row.agent_last_name, session.warnings) == ("PC1", "jdoe", "Doe", ())
    frames = pictures(live_server.data_dir, row)
    assert frames == list(range(len(frames))), "every frame, in order, once"
    assert [one.number for one in session.segments] == list(range(1, len(session.segments) + 1))
    assert [path.name for path in objects(live_server)] == [Path(one.object_name).name for one in session.segments], (
        "nothing left and nothing extra"
    )
    assert list((live_server.data_dir / "capture").iterdir()) == []
    assert await check_data(load(data_dir=live_server.data_dir)) == []


async def test_two_sessions_of_one_desktop_are_two(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    async with desktop_of(live_server):
        for number in range(1, 5):
            await live_server.command("CHATSTART", SESSIONID=number, AGENTID=1)
        await eventually(lambda: len(objects(live_server)) >= 4, "a segment of each")
        for number in range(1, 5):
            await live_server.command("CHATSTOP", SESSIONID=number)
        rows = await rows_of(live_server.data_dir, 4)
    assert sorted(row.session.session_id for row in rows) == ["1", "2", "3", "4"]
    assert all(row.session.verdict == "captured" for row in rows)
    crowded = [row.session.session_id for row in rows if "crowded" in row.session.warnings]
    assert crowded == ["4"], "more than three at a time"


async def test_without_a_desktop_and_with_one_that_comes_later(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    for session in ("never", "later"):
        await live_server.command("CHATSTART", SESSIONID=session, KEYNAME="SYS_USER", KEYVALUE="jdoe")
    await live_server.command("CHATSTOP", SESSIONID="never")
    await rows_of(live_server.data_dir, 1)
    async with desktop_of(live_server):
        await eventually(lambda: bool(objects(live_server)), "a segment of the session that waited")
        await live_server.command("CHATSTOP", SESSIONID="later")
        later, never = sorted(
            (row.session for row in await rows_of(live_server.data_dir, 2)), key=lambda s: s.session_id
        )
    assert (never.verdict, never.reason, never.state) == ("not_captured", "no_desktop", "ended")
    assert (later.verdict, later.reason) == ("captured", "")


async def test_a_blackout_of_the_agent_blackens_the_picture(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    async with desktop_of(live_server):
        await live_server.command("CHATSTART", SESSIONID="1", AGENTID=1)
        await eventually(lambda: len(objects(live_server)) >= 1, "a segment")
        started = await live_server.command("AGENTBLACKOUTSTART", SYS_USER="jdoe")
        assert text(started, "RESULTTYPE") == "API_OK"
        before = len(objects(live_server))
        await eventually(lambda: len(objects(live_server)) >= before + 3, "segments within the blackout")
        await live_server.command("AGENTBLACKOUTSTOP", SYS_USER="jdoe")
        await eventually(lambda: len(objects(live_server)) >= before + 5, "segments behind it")
        await live_server.command("CHATSTOP", SESSIONID="1")
        (row,) = await rows_of(live_server.data_dir, 1)
    frames = pictures(live_server.data_dir, row)
    dark = [at for at, frame in enumerate(frames) if frame is None]
    assert len(dark) > 10
    assert dark == list(range(dark[0], dark[-1] + 1)), "one span"
    assert frames[0] == 0 and frames[-1] == len(frames) - 1, "seen before and after"
    ((start, end),) = row.session.black_spans
    assert 0 < start < end


async def test_events_and_the_live_page_show_it(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    await create_user(load(data_dir=live_server.data_dir), "admin", "correct horse battery", admin=True)
    reader, writer = await asyncio.open_connection(live_server.host, live_server.events_port)
    base = f"http://{live_server.host}:{live_server.http_port}"
    async with httpx.AsyncClient(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}) as http, asyncio.timeout(60):
        await live_server.command("CHATSTART", SESSIONID="<82738>".replace("<", "&lt;"), AGENTID=1)
        await live_server.shows("earshot_screen_sessions 1.0")
        assert (await http.get("/screens")).status_code == 401
        await http.post("/login", data={"username": "admin", "password": "correct horse battery"})
        async with http.stream("GET", "/live") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    break
        assert '"session_id":"<82738>"' in line and '"state":"not_captured"' in line and '"no_desktop"' in line
        await live_server.command("CHATUPDATE", SESSIONID="&lt;82738>", GROUP=53)
        await live_server.command("CHATSTOP", SESSIONID="&lt;82738>")
        events = [await reader.readuntil(b"\r\n") for _ in range(3)]
        await rows_of(live_server.data_dir, 1)
        page = (await http.get("/screens")).text
    assert [text(event, "TYPE") for event in events] == ["CHATSTART", "CHATUPDATE", "CHATSTOP"]
    assert [text(event, "SESSIONID") for event in events] == ["&lt;82738&gt;"] * 3
    assert (text(events[1], "GROUP"), text(events[0], "AGENTID")) == ("53", "1")
    assert "&lt;82738&gt;" in page and "Jane Doe" in page and "no desktop agent was known" in page
    writer.close()
    await writer.wait_closed()


async def test_the_pages_of_the_list_and_the_picture(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    await create_user(load(data_dir=live_server.data_dir), "admin", "correct horse battery", admin=True)
    async with desktop_of(live_server):
        await live_server.command("CHATSTART", SESSIONID="seen", AGENTID=1)
        await eventually(lambda: bool(objects(live_server)), "a segment")
        await live_server.command("CHATSTOP", SESSIONID="seen")
        await rows_of(live_server.data_dir, 1)
    for number in range(60):
        await live_server.command("CHATSTART", SESSIONID=f"s{number}", AGENTID=1)
        await live_server.command("CHATSTOP", SESSIONID=f"s{number}")
    await rows_of(live_server.data_dir, 61)
    base = f"http://{live_server.host}:{live_server.http_port}"
    async with httpx.AsyncClient(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}) as http:
        await http.post("/login", data={"username": "admin", "password": "correct horse battery"})
        first = (await http.get("/screens")).text
        older = re.search(r'rel="next" href="([^"]+)"', first)
        assert older is not None
        second = (await http.get(older[1].replace("&amp;", "&"))).text
        shown = re.findall(r"<td>(s\d+|seen)</td>", first) + re.findall(r"<td>(s\d+|seen)</td>", second)
        assert len(shown) == len(set(shown)) == 61
        assert 'rel="next"' not in second
        film = await http.get("/screens/1/1")
        assert (film.status_code, film.headers["content-type"]) == (200, "video/webm")
        part = await http.get("/screens/1/1", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, film.content[:4])
        for path in ("/screens/1/999", "/screens/99/1", f"/screens/{2**70}/1"):
            assert (await http.get(path)).status_code == 404
        for junk in ("x", "1_1_1", "nan_1", "1_9e9"):
            assert (await http.get("/screens", params={"before": junk})).status_code == 200


# --- who is meant -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        {"AGENTID": "1"},
        {"USER_ID": "1"},
        {"AGENT_ID": " 1 "},
        {"KEYNAME": "USERNAME", "KEYVALUE": "jdoe"},
        {"KEY_NAME": "user_name", "KEY_VALUE": "JDoe"},
        {"KEYNAME": "SYS_USER", "KEYVALUE": "JDOE"},
        {"KEYNAME": "EMPLOYEEID", "KEYVALUE": "e-7"},
        {"KEYNAME": "EMPLOYEE_ID", "KEYVALUE": "E-7"},
        {"KEYNAME": "CRM_USER", "KEYVALUE": "crm.jane"},
        {"KEYNAME": "DEVICEALIAS", "KEYVALUE": "3545"},
        {"KEYNAME": "PhoneID", "KEYVALUE": "3545"},
        {"KEYNAME": "USERID", "KEYVALUE": "1"},
        {"AGENTID": "0", "KEYNAME": "USERNAME", "KEYVALUE": "JDOE"},
        {"AGENTID": "1", "KEYNAME": "USERNAME", "KEYVALUE": "nobody"},
    ],
    ids=lambda named: "+".join(f"{name}={value}" for name, value in named.items()),
)
async def test_an_agent_is_found_by_every_name(live_server: Speaker, named: dict[str, str]) -> None:
    await add_jdoe(live_server)
    answer = await live_server.command("CHATSTART", SESSIONID="1", **named)
    assert text(answer, "RESULTMSG") == "CHATSTART sent to all of the following cores: 1"
    await live_server.command("CHATSTOP", SESSIONID="1")
    (row,) = await rows_of(live_server.data_dir, 1)
    assert row.session.agent_id == 1
    is_phone = "PHONE" in str(named).upper() or "DEVICEALIAS" in named.values()
    assert row.session.variables.device_alias == ("3545" if is_phone else "")


async def test_the_desktop_is_found_by_the_station_of_the_agents_phone(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    await live_server.command("IMPORTWORKSTATION", DEVICEID="555", STATIONNAME="PC9", LOCATIONID=1)
    await live_server.command("CALLSTART", DEVICEID="555", DEVICEALIAS="3545")
    async with desktop_of(live_server, computer="PC9", username="shared"):
        await live_server.command("CHATSTART", SESSIONID="1", AGENTID=1)
        await eventually(lambda: bool(objects(live_server)), "a segment")
        await live_server.command("CHATSTOP", SESSIONID="1")
        (row,) = await rows_of(live_server.data_dir, 1)
    assert (row.session.computer, row.session.username) == ("PC9", "shared")


LONG = "x" * 256
HOSTILE = ("../../../etc/passwd", "'; DROP TABLE screens; --", "&lt;script&gt;", "ü" * 255, "0" * 255, "%00", "C:\\con")


@pytest.mark.parametrize(
    ("command", "parameters", "label"),
    [
        ("CHATSTART", {"KEYNAME": "USERNAME", "KEYVALUE": "jdoe"}, "API_SESSIONID_UNSPECIFIED"),
        ("CHATSTART", {"SESSIONID": " ", "AGENTID": "1"}, "API_SESSIONID_UNSPECIFIED"),
        ("CHATSTOP", {}, "API_SESSIONID_UNSPECIFIED"),
        ("CHATUPDATE", {"GROUP": "53"}, "API_SESSIONID_UNSPECIFIED"),
        ("CHATSTART", {"SESSIONID": "1"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "AGENTID": "0"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "KEYNAME": "USERNAME"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "KEYVALUE": "jdoe"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "AGENTID": "2"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "AGENTID": "9" * 30}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "AGENTID": "²"}, "API_AGENT_NOT_FOUND"),
        ("CHATSTART", {"SESSIONID": "1", "KEYNAME": "SHOESIZE", "KEYVALUE": "1"}, "API_INVALID_MESSAGE_FORMAT"),
        ("CHATSTART", {"SESSIONID": LONG, "AGENTID": "1"}, "API_INVALID_MESSAGE_FORMAT"),
        ("CHATUPDATE", {"SESSIONID": "1", "CALLDIRECTION": "sideways"}, "API_INVALID_MESSAGE_FORMAT"),
        ("CHATUPDATE", {"SESSIONID": "1", "KEEPDAYS": "many"}, "API_INVALID_MESSAGE_FORMAT"),
        ("CHATUPDATE", {"SESSIONID": "1", "USER15": LONG}, "API_INVALID_MESSAGE_FORMAT"),
        ("CHATUPDATE", {"SESSIONID": "unknown", "GROUP": "1"}, "API_OK"),
        ("CHATSTOP", {"SESSIONID": "unknown"}, "API_OK"),
        ("AGENTWINDOW", {}, "API_AGENT_NOT_FOUND"),
        ("AGENTWINDOW", {"COMPUTERNAME": "nobody"}, "API_AGENT_NOT_FOUND"),
        ("AGENTWINDOW", {"USERNAME": LONG}, "API_INVALID_MESSAGE_FORMAT"),
        *(
            ("CHATSTART", {"SESSIONID": "1", "KEYNAME": "CRM_USER", "KEYVALUE": bad}, "API_AGENT_NOT_FOUND")
            for bad in HOSTILE
        ),
        *(("AGENTWINDOW", {"USERNAME": bad, "COMPUTERNAME": bad}, "API_AGENT_NOT_FOUND") for bad in HOSTILE),
    ],
)
async def test_what_cannot_be_gets_its_documented_answer(
    live_server: Speaker, command: str, parameters: dict[str, str], label: str
) -> None:
    await add_jdoe(live_server)
    assert text(await live_server.command(command, **parameters), "RESULTTYPE") == label
    assert live_server.inside is not None
    assert live_server.inside.recorder.state.chats == {}, "nothing was changed"


async def test_hostile_sessions_are_kept_inside_the_data_folder(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    async with desktop_of(live_server):
        for bad in HOSTILE:
            answer = await live_server.command("CHATSTART", SESSIONID=bad, AGENTID=1)
            assert text(answer, "RESULTTYPE") == "API_OK"
            await live_server.command("CHATUPDATE", SESSIONID=bad, GATE=bad, CALLID=bad, USER3=bad)
            before = len(objects(live_server))
            await eventually(lambda before=before: len(objects(live_server)) > before, "a segment")  # type: ignore[misc]
            await live_server.command("CHATSTOP", SESSIONID=bad)
        rows = await rows_of(live_server.data_dir, len(HOSTILE))
    assert {row.session.variables.gate for row in rows} == {
        bad.replace("&lt;", "<").replace("&gt;", ">") for bad in HOSTILE
    }
    assert await check_data(load(data_dir=live_server.data_dir)) == []


async def test_window_of_an_agent(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    async with desktop_of(live_server) as agent:
        agent.show("Inbox <3> & more", "locked")
        for named in (
            {"COMPUTERNAME": "pc1"},
            {"USERNAME": "jdoe"},
            {"COMPUTER_NAME": "PC1", "USER_NAME": "uptivity\\JDOE"},
            {"STATION": "PC1"},
        ):
            answer = await live_server.command("AGENTWINDOW", **named)
            assert text(answer, "APPLICATIONTITLE") == "Inbox &lt;3&gt; &amp; more"
            assert (text(answer, "STATUS"), text(answer, "DOMAIN")) == ("LOCKED", "UPTIVITY")
            when = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{1,2} \d{4} \d{1,2}:\d{2}(AM|PM)"
            assert re.fullmatch(when, text(answer, "LASTUPDATE"))
        both = await live_server.command("AGENTWINDOW", COMPUTERNAME="PC1", USERNAME="sally")
        assert text(both, "RESULTCODE") == "24"
    assert text(await live_server.command("AGENTWINDOW", COMPUTERNAME="PC1"), "STATUS") == "AWAY"


# --- how it fails -----------------------------------------------------------------------------------------------------


async def test_a_desktop_cannot_speak_for_another_nor_lie_about_a_file(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    assert live_server.inside is not None
    desktops, state = live_server.inside.context.desktops, live_server.inside.recorder.state
    link = SilentDesktop()
    mine = desktops.connected(Hello(computer="PC1", username="jdoe"), link)
    other = desktops.connected(Hello(computer="PC2", username="other"), SilentDesktop())
    await live_server.command("CHATSTART", SESSIONID="1", AGENTID=1)
    (chat,) = state.chats.values()
    assert isinstance(link.asked[0], StartScreen) and link.asked[0].capture == chat.key
    lie = SegmentFinished(
        capture=chat.key, number=1, media_type="video/webm", sha256="00", size=4, began_at=1.0, duration_s=1.0
    )
    intake = live_server.data_dir / "capture"
    for number in (1, 2):
        (intake / f"{chat.key}-{number:06}.webm").write_bytes(b"junk")
    desktops.reported(other, lie)
    desktops.reported(other, ScreenStopped(capture=chat.key))
    desktops.reported(mine, lie)
    desktops.reported(mine, SegmentFinished(**{**{name: getattr(lie, name) for name in lie.__slots__}, "number": -1}))
    await eventually(
        lambda: "segment_spoilt" in chat.warnings and len(list(intake.iterdir())) == 1, "the lie was found"
    )
    assert chat.capturing == "running" and chat.segments == []
    await live_server.command("CHATSTOP", SESSIONID="1")
    assert link.asked[-1] == StopScreen(capture=chat.key)
    desktops.reported(mine, ScreenStopped(capture=chat.key))
    (row,) = await rows_of(live_server.data_dir, 1)
    assert (row.session.state, row.session.verdict, row.session.segments) == ("failed", "failed", ())


async def test_a_session_nobody_stops_ends(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", longest_chat_s=1.0, chat_keep_days=5) as server:
        await add_jdoe(server)
        await server.command("CHATSTART", SESSIONID="1", AGENTID=1)
        (row,) = await rows_of(server.data_dir, 1)
    assert (row.session.ended_by, row.session.variables.keep_days) == ("too_long", 5)


async def test_killed_in_the_middle(tmp_path: Path) -> None:
    env = {"EARSHOT_SIMULATED_DESKTOPS": '["PC1\\\\jdoe"]'}
    async with running(tmp_path / "data", env=env) as server:
        await add_jdoe(server)
        await server.command("CHATSTART", SESSIONID="through", AGENTID=1)
        await server.command("CHATUPDATE", SESSIONID="through", USER1="kept")
        await server.command("CHATSTART", SESSIONID="silent", KEYNAME="CRM_USER", KEYVALUE="crm.jane")
        await eventually(lambda: len(objects(server)) >= 2, "segments of both")
        await server.kill()
        before = len(objects(server))
        await server.start()
        await eventually(lambda: len(objects(server)) >= before + 2, "segments after the restart")
        for session in ("through", "silent"):
            assert text(await server.command("CHATSTOP", SESSIONID=session), "RESULTTYPE") == "API_OK"
        rows = await rows_of(server.data_dir, 2)
        assert sorted(row.session.session_id for row in rows) == ["silent", "through"]
        for row in rows:
            assert (row.session.verdict, row.session.ended_by) == ("captured", "chatstop")
            assert row.session.warnings[:1] == ("interrupted",)
            assert [frame for frame in pictures(server.data_dir, row) if frame == 0] == [0, 0], "begun twice"
        through = next(row.session for row in rows if row.session.session_id == "through")
        assert through.variables.users[0] == "kept"
        await stop_and_check(server)


async def stop_and_check(server: LiveServer) -> None:
    assert await server.check() == ""
    assert await server.stop() == 0
    assert await server.check() == ""


async def test_the_database_is_away_when_it_ends(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as server:
        await add_jdoe(server)
        with closing(sqlite3.connect(server.data_dir / "earshot.db", isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            answers: list[Any] = []
            async with asyncio.timeout(10):
                answers.append(await server.command("CHATSTART", SESSIONID="1", AGENTID=1))
                answers.append(await server.command("CHATUPDATE", SESSIONID="1", GROUP=53))
                answers.append(await server.command("CHATSTOP", SESSIONID="1"))
            assert [text(answer, "RESULTTYPE") for answer in answers] == ["API_OK"] * 3
            await eventually(lambda: "screen_session_not_stored_yet" in server.log(), "the row waits")
            await server.kill()
            connection.execute("ROLLBACK")
        await server.start()
        (row,) = await rows_of(server.data_dir, 1)
        assert (row.session.session_id, row.session.variables.group) == ("1", "53")
        await stop_and_check(server)


async def test_the_database_is_away_from_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    url = f"sqlite:///{folder / 'earshot.db'}"
    async with in_process(tmp_path / "data", database_url=url) as server:
        answer = await server.command("CHATSTART", SESSIONID="1", KEYNAME="USERNAME", KEYVALUE="jdoe")
        assert text(answer, "RESULTTYPE") == "API_DATABASE_QUERY_ERROR"
        assert text(await server.command("AGENTWINDOW", USERNAME="jdoe"), "RESULTTYPE") == "API_AGENT_NOT_FOUND"
        assert text(await server.command("FETCHTERMINOLOGY"), "RESULTTYPE") == "API_DATABASE_QUERY_ERROR"
        folder.mkdir()
        await server.until("IMPORTUSER", b"<RESULTCODE>20<", ACTION="ADD", USERNAME="jdoe", SYS_USER="jdoe")
        await server.command("CHATSTART", SESSIONID="1", KEYNAME="USERNAME", KEYVALUE="jdoe")
        await server.command("CHATSTOP", SESSIONID="1")
        (row,) = await rows_of(server.data_dir, 1, url)
        assert row.session.reason == "no_desktop"


async def test_a_server_that_shuts_down_is_a_recorder_that_does_not_run(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    assert live_server.inside is not None
    live_server.inside.recorder.draining = True
    for command, more in (("CHATSTART", {"AGENTID": "1"}), ("CHATUPDATE", {"GROUP": "1"}), ("CHATSTOP", {})):
        answer = await live_server.command(command, SESSIONID="1", **more)
        assert text(answer, "RESULTTYPE") == "API_ERROR_RECORDER_NOT_RUNNING"
    live_server.inside.recorder.draining = False


async def test_a_full_disk_refuses_the_session_and_keeps_its_verdict(live_server: Speaker) -> None:
    await add_jdoe(live_server)
    assert live_server.inside is not None
    live_server.inside.watch.journal_stuck(True)
    answer = await live_server.command("CHATSTART", SESSIONID="1", AGENTID=1)
    assert text(answer, "RESULTTYPE") == "API_ERROR_OUT_OF_DISK_SPACE"
    live_server.inside.watch.journal_stuck(False)
    await live_server.command("CHATSTOP", SESSIONID="1")
    (row,) = await rows_of(live_server.data_dir, 1)
    assert (row.session.verdict, row.session.reason) == ("not_captured", "out_of_disk_space")
