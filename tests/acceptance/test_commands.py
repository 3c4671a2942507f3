"""The commands of this release against a running server: lookups, updates, partial recordings, filters, imports."""

import asyncio
import re
from typing import Any

import pytest
from tests.plain_http import http_client
from tests.servers import Speaker


def text(answer: bytes, tag: str) -> str:
    match = re.search(rf"<{tag}>(.*?)</{tag}>", answer.decode())
    return match[1] if match else "(absent)"


async def people(server: Speaker) -> None:
    """Sally with two phones, a station, and a device on which she works by her alias."""
    added = await server.command(
        "IMPORTUSER", ACTION="ADD", USERNAME="Sally Smith", SYS_USER="smith.1", CRM_USER="sallys", PHONES="3545,3343"
    )
    assert text(added, "RESULTTYPE") == "API_OK" and text(added, "USERID") == "1"
    mapped = await server.command("IMPORTWORKSTATION", DEVICEID="555", STATIONNAME="COMPUTER1", LOCATIONID=1)
    assert text(mapped, "DEVICEID") == "555"
    await server.command("CALLSTART", DEVICEID=555, DEVICEALIAS=3545)


@pytest.mark.parametrize(
    "lookup",
    [
        {"DEVICEID": "555"},
        {"DEVICEALIAS": "3545"},
        {"SYS_USER": "smith.1"},
        {"CRM_USER": "sallys"},
        {"STATIONNAME": "computer1"},
        {"COMPUTERNAME": "COMPUTER1"},
        {"DEVICEID": " 555 ", "CRM_USER": "nobody"},
    ],
    ids=lambda lookup: "+".join(lookup),
)
async def test_a_call_is_found_by_every_name(live_server: Speaker, lookup: dict[str, str]) -> None:
    await people(live_server)
    assert text(await live_server.command("CALLUPDATE", USER1="found", **lookup), "RESULTTYPE") == "API_OK"
    status = await live_server.command("DEVICESTATUS", DEVICEID=555)
    assert (text(status, "USER1"), text(status, "SYS_USER"), text(status, "STATION")) == (
        "found",
        "smith.1",
        "COMPUTER1",
    )
    assert text(await live_server.command("CALLSTOP", **lookup), "RESULTTYPE") == "API_OK"
    assert text(await live_server.command("DEVICESTATUS", DEVICEID=555), "STOPTIME") != ""


@pytest.mark.parametrize("command", ["CALLSTART", "CALLSTOP", "CALLUPDATE", "RECORDSTART", "RECORDSTOP"])
@pytest.mark.parametrize("name", ["DEVICEALIAS", "SYS_USER", "CRM_USER"])
async def test_a_name_that_nobody_has(live_server: Speaker, command: str, name: str) -> None:
    answer = await live_server.command(command, USER1="x", **{name: "nobody"})
    assert (text(answer, "RESULTTYPE"), text(answer, "RESULTCODE")) == ("API_DEVICE_INVALID", "8")


async def test_stops_without_a_call_are_no_errors(live_server: Speaker) -> None:
    for command in ("CALLSTOP", "RECORDSTOP", "CALLUPDATE"):
        assert text(await live_server.command(command, DEVICEID=777, USER1="x"), "RESULTTYPE") == "API_OK"


async def test_updates_after_the_call(live_server: Speaker) -> None:
    answer = await live_server.command("CALLUPDATE", DEVICEID=1001, USER1="x", UPDATE_IF_NOT_RECORDING="Y")
    assert text(answer, "RESULTTYPE") == "API_RECORDID_INVALID"
    await live_server.make_recording("1001")
    answer = await live_server.command("CALLUPDATE", DEVICEID=1001, USER3="late", Update_If_Not_Recording="Y")
    assert text(answer, "RESULTMSG") == "Updated recording in database"
    answer = await live_server.command("CALLUPDATE", RECORDID=1, USER4="Sales Call", KEEPDAYS=3650, DEVICEALIAS="77")
    assert text(answer, "RESULTMSG") == "Updated recording in database"
    found = await live_server.command("CALLLIST", USER4="Sales Call")
    assert (text(found, "USER3"), text(found, "DEVICEALIAS")) == ("late", "77")
    assert text(await live_server.command("CALLUPDATE", RECORDID=99, USER4="x"), "RESULTTYPE") == "API_RECORDID_INVALID"


async def test_a_partial_recording_has_its_own_recordid(live_server: Speaker) -> None:
    options: dict[str, Any] = {"concurrent": 1, "length_s": (4.0, 4.0), "crm": False, "devices": 1}
    running = asyncio.create_task(live_server.simulate(calls=1, first_device=1001, **options))
    await live_server.until("DEVICESTATUS", b"<ISRECORDING>Y<", DEVICEID=1001)
    await live_server.command("RECORDSTART", DEVICEID=1001, USER1="card")
    await asyncio.sleep(1.5)
    await live_server.command("RECORDSTOP", DEVICEID=1001, USER2="done")
    status = await live_server.command("DEVICERECORDINGSTATUS", DEVICEID=1001)
    assert (text(status, "STATUS"), text(status, "USER1")) == ("recording", "")
    assert re.fullmatch(r"C:\\Recordings\\\d{8}\\1001\\1001-\d\d-\d\d-\d\d\.wav", text(status, "FILENAME"))
    channels = await live_server.command("CHANNELS")
    assert b"<STATE>Recording</STATE>" in channels and b"<RECORDINGDEVICE>1001</RECORDINGDEVICE>" in channels
    await running
    found = await live_server.until("CALLLIST", b"<CALLNUMBER>2<", DEVICEID=1001)
    partial = await live_server.command("CALLLIST", USER1="card")
    assert found.count(b"<RECORDID>") == 2 and partial.count(b"<RECORDID>") == 1
    assert text(partial, "USER2") == "done" and int(text(partial, "DURATION")) in (1, 2)


async def test_calllist_filters_and_links(live_server: Speaker) -> None:
    await people(live_server)
    await live_server.command("CALLSTOP", DEVICEID=555)
    for device in ("1001", "1002"):
        await live_server.make_recording(device)
    await live_server.command(
        "CALLUPDATE", RECORDID=1, GROUP="12", GATE="80", ANI="614", DNIS="888", DEVICEALIAS="3545"
    )
    everything = await live_server.command("CALLLIST")
    assert [int(number) for number in re.findall(rb"<RECORDID>(\d+)<", everything)] == [2, 1], "newest first"
    assert b"PLAYBACKLINK" not in everything
    began = int(text(everything, "RECORDINGTIME"))
    for wanted, rows in (
        ({"GROUP": "12"}, 1),
        ({"GATE": "80", "ANI": "614"}, 1),
        ({"GATE": "80", "ANI": "615"}, 0),
        ({"DNIS": "888"}, 1),
        ({"DEVICEALIAS": "3545"}, 1),
        ({"DEVICEID": ""}, 2),
        ({"CALLCOUNT": "1"}, 1),
        ({"CALLCOUNT": "0"}, 0),
        ({"CALLDATESTART": began - 3600, "CALLDATEEND": began + 3600}, 2),
        ({"CALLDATESTART": began + 3600}, 0),
        ({"SYS_USER": "nobody"}, 0),
    ):
        answer = await live_server.command("CALLLIST", **wanted)
        assert answer.count(b"<SEARCHRESULT>") == rows, wanted
    linked = await live_server.command("CALLLIST", PLAYBACKLINK="Y", CALLCOUNT=1)
    link = text(linked, "PLAYBACKLINK")
    assert link.endswith("/MediaPlayer/ExternalCallListPlayer/2/false") and "&" not in link
    async with http_client() as http:
        asked = await http.get(link, headers={"Accept": "text/html"})
        assert asked.status_code in (302, 303) and "/login" in asked.headers["location"]


async def test_imports_say_what_is_wrong(live_server: Speaker) -> None:
    await people(live_server)
    again = await live_server.command("IMPORTUSER", ACTION="add", USER_NAME="sally smith")
    assert text(again, "RESULTTYPE") == "API_USER_ALREADY_EXIST"
    taken = await live_server.command("IMPORTUSER", ACTION="ADD", USERNAME="Bob", PHONES="3545")
    assert text(taken, "RESULTTYPE") == "API_ERROR_KEYS_NOT_UNIQUE"
    for parameters, label in (
        ({"ACTION": "RENAME"}, "API_ERROR_INVALID_ACTION"),
        ({"ACTION": "ADD"}, "API_INVALID_MESSAGE_FORMAT"),
        ({"ACTION": "MODIFY", "USERID": 99, "EMAIL": "x"}, "API_USER_NOT_FOUND"),
        ({"ACTION": "DELETE", "USERNAME": "nobody"}, "API_USER_NOT_FOUND"),
    ):
        assert text(await live_server.command("IMPORTUSER", **parameters), "RESULTTYPE") == label
    await live_server.command("IMPORTUSER", ACTION="MODIFY", USERID=1, FIRST_NAME="Sally", LASTNAME="Smith", STATUS="A")
    listed = await live_server.command("IMPORTUSER", ACTION="LIST")
    assert (text(listed, "FIRSTNAME"), text(listed, "AGENT"), text(listed, "PHONES")) == ("Sally", "TRUE", "3545,3343")
    assert "PASSWORD" not in listed.decode()
    phone = {"FIRSTNAME": "Sally", "LASTNAME": "Smith", "PHONEID": "900"}
    assert text(await live_server.command("IMPORTAGENTPHONE", ACTION="ADD", AGENTID=0, **phone), "AGENTID") == "1"
    assert text(await live_server.command("IMPORTAGENTPHONE", ACTION="DELETE", **phone), "RESULTTYPE") == "API_OK"
    nobody = await live_server.command("IMPORTAGENTPHONE", ACTION="ADD", AGENTID=42, PHONEID=1)
    assert text(nobody, "RESULTTYPE") == "API_AGENT_NOT_FOUND"
    await live_server.command("IMPORTUSER", ACTION="DELETE", USERID=1)
    freed = await live_server.command("IMPORTUSER", ACTION="ADD", USERNAME="Bob", PHONES="3545")
    assert text(freed, "RESULTTYPE") == "API_OK", "the phones of a deleted user are free"


async def test_terminology_stations_and_system(live_server: Speaker) -> None:
    await people(live_server)
    assert text(await live_server.command("FETCHTERMINOLOGY"), "COUNT") == "10"
    stations = await live_server.command("STATIONS")
    assert (text(stations, "COUNT"), text(stations, "STATIONNAME")) == ("1", "COMPUTER1")
    system = await live_server.command("SYSTEMSTATUS")
    assert re.fullmatch(r"\d+\.\d\dGB of \d+\.\d\dGB", text(system, "RECORDINGSPACEINFO"))
    assert text(system, "SYSTEMUPTIME").endswith(" seconds.")


async def test_export_of_what_is_not_there(live_server: Speaker) -> None:
    async with http_client(base_url=f"http://{live_server.host}:{live_server.http_port}") as http:
        for query, label in (
            ("uniquefield=recordid&uniqueid=7&media_format=wav", "API_FILE_NOT_FOUND"),
            ("uniquefield=qa_score;drop&uniqueid=7&media_format=wav", "API_INVALID_MESSAGE_FORMAT"),
            ("uniquefield=user2&media_format=wav", "API_INVALID_MESSAGE_FORMAT"),
            ("uniquefield=user2&uniqueid=1&media_format=ogg", "API_INVALID_MESSAGE_FORMAT"),
        ):
            response = await http.get(f"/WebAPI.aspx?type=export&requestid=5&{query}")
            assert response.status_code == 200 and text(response.content, "RESULTTYPE") == label, query
