"""The CRM part on a real connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.simulate.api_desk import ApiDesk

from earshot.simulate.crm import CrmClient, CrmFailure, demo_requests, document, is_own, read_answer, start_values
from earshot.simulate.plan import Wishes, planned_calls
from earshot.simulate.speech import conversations


@pytest.fixture
async def desk() -> AsyncIterator[ApiDesk]:
    made = ApiDesk()
    await made.start()
    yield made
    await made.stop()


async def test_answers_belong_to_their_requests(desk: ApiDesk) -> None:
    crm = CrmClient("127.0.0.1", desk.port)
    answers = await asyncio.gather(*(crm.send("CALLSTOP", {"DEVICEID": str(n)}) for n in range(30)))
    assert [answer.message for answer in answers] == [str(n) for n in range(30)]
    assert all(answer.fine for answer in answers)
    assert len({request["REQUESTID"] for request in desk.requests}) == 30
    desk.result = "API_DEVICE_INVALID"
    assert not (await crm.send("CALLSTOP", {"DEVICEID": "1"})).fine
    assert (crm.sent, crm.refused) == (31, 1)
    await crm.close()


async def test_a_missing_answer_is_a_failure_and_the_next_connection_works(desk: ApiDesk) -> None:
    crm = CrmClient("127.0.0.1", desk.port, timeout_s=0.05)
    desk.mute = True
    with pytest.raises(CrmFailure, match="CALLSTOP"):
        await crm.send("CALLSTOP", {"DEVICEID": "1"})
    desk.mute = False
    crm = CrmClient("127.0.0.1", desk.port)
    assert (await crm.send("CALLSTOP", {"DEVICEID": "2"})).message == "2"
    await crm.close()


async def test_nobody_listens() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(CrmFailure):
        await CrmClient("127.0.0.1", port).send("TEST", {})


def test_requests_are_escaped_and_blanks_left_out() -> None:
    wire = document("CALLSTART", 3, {"USER1": "a<b & c", "USER2": ""})
    assert wire == (
        b"<REQUEST><TYPE>CALLSTART</TYPE><REQUESTID>3</REQUESTID><USER1>a&lt;b &amp; c</USER1></REQUEST>\r\n"
    )
    with pytest.raises(CrmFailure):
        read_answer("<NOTHING/>")
    with pytest.raises(CrmFailure):
        read_answer("hello")


def test_what_is_announced() -> None:
    call = next(planned_calls(Wishes(), conversations()))
    values = start_values(call, "abcd")
    assert values["DEVICEID"] == "1001"
    assert values["CALLDIRECTION"] in ("I", "O")
    assert is_own(values["CALLINSTANCE"])
    assert not is_own("1")
    assert all(values[name] for name in ("ANI", "DNIS", "GROUP", "GATE", "CALLID", "USER1", "USER2", "USER3"))
    users = [request for command, request in demo_requests(1_001, 40) if command == "IMPORTUSER"]
    stations = [request for command, request in demo_requests(1_001, 40) if command == "IMPORTWORKSTATION"]
    assert [user["PHONES"] for user in users] == [station["DEVICEID"] for station in stations]
    spoken = [talk.agent_name for talk in conversations()]
    assert [f"{user['FIRST_NAME']} {user['LAST_NAME']}" for user in users] == spoken
