"""Which event asks for sound: calls of others do, the simulation's own and their echoes do not."""

import asyncio

import pytest

from earshot.simulate.follow import ECHO_S, CallEvent, EndSound, Follower, GiveSound, read_event, read_events


def event(kind: str, instance: str = "", device: str = "555", by: str = "") -> CallEvent:
    found = read_event(
        f"<EVENT><TYPE>{kind}</TYPE><EVENTTIME>1/2/2026</EVENTTIME><DEVICEID>{device}</DEVICEID>"
        f"<CALLINSTANCE>{instance}</CALLINSTANCE><ANI>6145551212</ANI><ANNOUNCEDBY>{by}</ANNOUNCEDBY></EVENT>"
    )
    assert found is not None
    return found


def test_an_announced_call_gets_sound_until_it_stops() -> None:
    follower = Follower()
    start = event("CALLSTART", "7")
    assert (start.ani, start.device) == ("6145551212", "555")
    assert follower.decide(start, 10) == GiveSound(start)
    assert follower.decide(start, 11) is None
    assert follower.decide(event("CALLSTOP", "8"), 12) is None
    assert follower.decide(event("CALLSTOP", "7"), 13) == EndSound(("555", "7"))
    assert follower.decide(event("CALLSTOP", "7"), 13) is None
    assert follower.decide(start, 13.1) == GiveSound(start)


def test_own_calls_are_left_alone() -> None:
    follower = Follower()
    assert follower.decide(event("CALLSTART", "sim-1234-0"), 0) is None
    assert follower.decide(event("CALLSTART", "9", by="siprec"), 0) is None
    assert follower.decide(event("CALLSTART", "9", by="api, siprec"), 0) is None
    follower.occupied("555")
    assert follower.decide(event("CALLSTART", "9"), 0) is None
    announced = event("CALLSTART", "9", by="api")
    assert follower.decide(announced, 0) == GiveSound(announced)
    assert follower.decide(event("CALLSTART", "1", device="600"), 0) is not None
    follower.released("555", 5)
    assert follower.decide(event("CALLSTART", "10"), 5.5) is None
    assert follower.decide(event("CALLSTART", "11"), 5 + ECHO_S) is not None


def test_the_echo_of_our_invite_starts_nothing() -> None:
    follower = Follower()
    assert follower.decide(event("CALLSTART", "1"), 100) is not None
    assert follower.decide(event("CALLSTART", "made-up-by-the-recorder"), 100.5) is None
    consult = event("CALLSTART", "2")
    assert follower.decide(consult, 100 + ECHO_S) == GiveSound(consult)


def test_a_refused_call_may_be_announced_again() -> None:
    follower = Follower()
    first = event("CALLSTART", "1")
    follower.decide(first, 0)
    follower.ended(first.key)
    assert follower.decide(first, ECHO_S) == GiveSound(first)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "<EVENT>",
        "<EVENT><TYPE>CALLUPDATE</TYPE><DEVICEID>5</DEVICEID></EVENT>",
        "<X><TYPE>CALLSTART</TYPE></X>",
        "<EVENT><TYPE>CALLSTART</TYPE></EVENT>",
    ],
)
def test_other_lines_are_passed_over(line: str) -> None:
    assert read_event(line) is None


async def test_the_events_port_is_read_across_a_lost_connection() -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        text = f"<EVENT><TYPE>CALLSTART</TYPE><DEVICEID>{accepted}</DEVICEID></EVENT>\r\nnonsense\r\n"
        writer.write(text.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    heard: asyncio.Queue[CallEvent] = asyncio.Queue()
    said: list[str] = []
    port = server.sockets[0].getsockname()[1]
    reading = asyncio.ensure_future(read_events("127.0.0.1", port, heard.put_nowait, said.append))
    async with asyncio.timeout(10):
        assert [(await heard.get()).device for _ in range(2)] == ["1", "2"]
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    server.close()
    await server.wait_closed()
    assert said[0].startswith("following")
