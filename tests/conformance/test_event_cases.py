"""The cases of the event port (REGISTEREVENTS is ours, no command of the table) against a server that runs."""

import asyncio
from pathlib import Path

import pytest
from tests.conformance.cases import Case, differences, load
from tests.servers import Speaker

from earshot.protocol.xml import read_result

CASES = [load(path) for path in sorted((Path(__file__).parent / "event_cases").glob("*.case"))]


def named(case: Case) -> str:
    return case.name.partition("/")[2]


def pieces(document: bytes, one_by_one: bool) -> list[bytes]:
    return [bytes([byte]) for byte in document] if one_by_one else [document]


@pytest.mark.parametrize("one_by_one", [False, True], ids=["whole", "byte by byte"])
async def test_each_on_a_connection_of_its_own(one_by_one: bool, live_server: Speaker) -> None:
    assert len(CASES) >= 14
    for case in CASES:
        reader, writer = await asyncio.open_connection(live_server.host, live_server.events_port)
        try:
            for piece in pieces(case.document, one_by_one):
                writer.write(piece)
                await writer.drain()
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        finally:
            writer.close()
            await writer.wait_closed()
        assert answer.count(b"\n") == 1 and case.reply is not None
        assert differences(case.reply, read_result(answer), case) == [], named(case)
