"""Terms and locations: changed by the command line, beside a running server, and there at once."""

import re
from pathlib import Path

from tests import command_line
from tests.plain_http import http_client
from tests.servers import Speaker, in_process

from earshot.config import load
from earshot.operations import create_user


async def earshot(data_dir: Path, *words: str) -> tuple[int, str]:
    return await command_line.earshot(*words, "--data-dir", str(data_dir))


def terms(answer: bytes) -> dict[str, str]:
    return dict(re.findall(r"<NAME>(.*?)</NAME><VALUE>(.*?)</VALUE>", answer.decode()))


async def test_a_changed_term_is_there_at_once(live_server: Speaker) -> None:
    data_dir = live_server.data_dir
    await create_user(load(data_dir=data_dir), "admin", "correct horse battery", admin=True)
    before = terms(await live_server.command("FETCHTERMINOLOGY"))
    assert len(before) == 10 and before["gate"] == "ACD Gate"
    base = f"http://{live_server.host}:{live_server.http_port}"
    async with http_client(base_url=base, headers={"Sec-Fetch-Site": "same-origin"}) as http:
        await http.post("/login", data={"username": "admin", "password": "correct horse battery"})
        plain = (await http.get("/recordings")).text
        assert ">Gate</option>" in plain and ">ACD group</option>" in plain
        assert (await earshot(data_dir, "terminology", "preset", "avaya"))[0] == 0
        status, listed = await earshot(data_dir, "terminology", "set", "gate", "Queue <b>")
        assert status == 0 and "Queue <b>" in listed
        now = terms(await live_server.command("FETCHTERMINOLOGY"))
        assert (now["gate"], now["group"], now["deviceid"]) == ("Queue &lt;b&gt;", "Skill", "Station")
        changed = (await http.get("/recordings")).text
        assert ">Queue &lt;b&gt;</option>" in changed and ">Skill</option>" in changed
        assert ">Gate</option>" not in changed
        assert '<th scope="col">Station</th>' in (await http.get("/")).text
    await earshot(data_dir, "terminology", "set", "user7", "Case number")
    answer = await live_server.command("FETCHTERMINOLOGY")
    assert terms(answer)["user7"] == "Case number" and b"<COUNT>11</COUNT>" in answer
    for wrong in (("set", "nothing", "x"), ("set", "gate", "x" * 101), ("preset", "Nortel")):
        status, said = await earshot(data_dir, "terminology", *wrong)
        assert status == 1 and said.startswith("earshot: ") and said.count("\n") == 1
    assert terms(await live_server.command("FETCHTERMINOLOGY"))["gate"] == "Queue &lt;b&gt;"


async def test_locations_are_listed_and_checked(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", strict_locations=True) as server:
        refused = await server.command("IMPORTWORKSTATION", DEVICEID="1", STATIONNAME="PC", LOCATIONID=2)
        assert b"API_INVALID_MESSAGE_FORMAT" in refused and b"There is no location 2" in refused
        assert b"<COUNT>0</COUNT>" in await server.command("STATIONS"), "nothing was changed"
        assert await earshot(server.data_dir, "location", "add", "Berlin") == (0, "location 2 is Berlin\n")
        mapped = await server.command("IMPORTWORKSTATION", DEVICEID="1", STATIONNAME="PC", LOCATIONID=2)
        assert b"API_OK" in mapped
        assert (await earshot(server.data_dir, "location", "rename", "2", "Wien"))[0] == 0
        status, listed = await earshot(server.data_dir, "location", "list")
        assert listed.split() == ["1", "Main", "2", "Wien"]
        for wrong in (("add", "MAIN"), ("add", "Oslo", "--number", "2"), ("rename", "9", "Oslo"), ("add", " ")):
            status, said = await earshot(server.data_dir, "location", *wrong)
            assert status == 1 and said.startswith("earshot: ") and said.count("\n") == 1
        for number in ("0", "999999999", "-1", "x", "1.5"):
            answer = await server.command("IMPORTWORKSTATION", DEVICEID="1", STATIONNAME="PC", LOCATIONID=number)
            assert b"API_INVALID_MESSAGE_FORMAT" in answer
