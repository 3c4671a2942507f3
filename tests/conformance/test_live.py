"""The conformance cases against a server that runs: over TCP whole, byte by byte and glued, and over HTTP.

A server gives `host`, `api_port` and `http_port`; cases that need a finished recording use its coroutine
`make_recording(device_id)`. A case that may change something has a server of its own. Those that only ask, and those
that are refused, share one, in any order: what is refused changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from tests.conformance.cases import Case, all_cases, differences
from tests.plain_http import http_client
from tests.post.mailable import mail_recording
from tests.servers import Speaker, in_process

from earshot.protocol.xml import parse, read_result

LIVE = [case for case in all_cases() if not case.later and case.reply is not None]
OVER_TCP = [case for case in LIVE if "tcp" in case.doors]
OVER_HTTP = [case for case in LIVE if "http" in case.doors]
GLUED = [case for case in OVER_TCP if not case.needs and not case.setup]
ASKING = frozenset(("CALLLIST", "CHANNELS", "FETCHTERMINOLOGY", "SYSTEMSTATUS", "TEST"))


def changes_nothing(case: Case) -> bool:
    """Whether the case is refused, or only asks, and needs nothing to be there."""
    assert case.reply is not None
    refused = not isinstance(case.reply[1], str) and ("RESULTCODE", "20") not in case.reply[1]
    return (refused or case.command in ASKING) and not case.needs and not case.setup


def named(case: Case) -> str:
    return case.name


def parted(cases: list[Case]) -> tuple[pytest.MarkDecorator, pytest.MarkDecorator]:
    """The cases that have a server of their own, and those that share one."""
    own, shared = (
        [case for case in cases if not changes_nothing(case)],
        [case for case in cases if changes_nothing(case)],
    )
    return pytest.mark.parametrize("case", own, ids=named), pytest.mark.parametrize("case", shared, ids=named)


OWN_TCP, SHARED_TCP = parted(OVER_TCP)
OWN_HTTP, SHARED_HTTP = parted(OVER_HTTP)
TOGETHER = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Speaker]:
    """The server of the cases that change nothing."""
    folder: Path = tmp_path_factory.mktemp("shared")
    async with in_process(folder / "data") as server:
        yield server


class Client:
    """One TCP connection that sends documents and reads answer lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def line(self) -> bytes:
        line = await asyncio.wait_for(self.reader.readuntil(b"\r\n"), 10)
        assert line.startswith(b"<RESULT>") and line.endswith(b"</RESULT>\r\n")
        assert line.count(b"\n") == 1
        return line

    async def ask(self, document: bytes) -> bytes:
        self.writer.write(document)
        return await self.line()


@asynccontextmanager
async def connect(server: Any) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection(server.host, server.api_port, limit=1 << 24))
    try:
        yield client
    finally:
        client.writer.close()
        await client.writer.wait_closed()


async def prepare(case: Case, server: Any, client: Client) -> None:
    what, _, which = case.needs.partition(" ")
    if what == "desktop":
        server.add_desktop(which)
    elif what == "mail":
        await mail_recording(server, int(which))
    elif what:
        await server.make_recording(which)
    for document in case.setup:
        await client.ask(document)


def check(case: Case, answer: bytes) -> None:
    assert case.reply is not None
    assert differences(case.reply, read_result(answer), case) == []


async def over_tcp_whole(case: Case, server: Any) -> None:
    async with connect(server) as client:
        await prepare(case, server, client)
        check(case, await client.ask(case.document))


async def over_tcp_byte_by_byte(case: Case, server: Any) -> None:
    async with connect(server) as client:
        await prepare(case, server, client)
        for byte in case.document:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        check(case, await client.line())


async def over_http(case: Case, server: Any) -> None:
    async with connect(server) as client:
        url = f"http://{server.host}:{server.http_port}/webAPI.aspx"
        async with http_client(timeout=10, trust_env=False) as http:
            for way in ("query", "form", "xml"):
                if case.is_url and way == "xml":
                    continue
                await prepare(case, server, client)
                fields = [] if case.is_url else [(tag.lower(), text) for tag, text in parse(case.document)[1]]
                query = case.query if case.is_url else urlencode(fields)
                form = {"Content-Type": "application/x-www-form-urlencoded"}
                if way == "query":
                    response = await http.get(f"{url}?{query}")
                elif way == "form":
                    response = await http.post(url, content=query.encode(), headers=form)
                else:
                    response = await http.post(url, content=case.document, headers={"Content-Type": "text/xml"})
                assert response.status_code == 200
                check(case, response.content)


@OWN_TCP
async def test_over_tcp_whole(case: Case, live_server: Any) -> None:
    await over_tcp_whole(case, live_server)


@OWN_TCP
async def test_over_tcp_byte_by_byte(case: Case, live_server: Any) -> None:
    await over_tcp_byte_by_byte(case, live_server)


@OWN_HTTP
async def test_over_http(case: Case, live_server: Any) -> None:
    await over_http(case, live_server)


@TOGETHER
@SHARED_TCP
async def test_over_tcp_whole_together(case: Case, shared_server: Any) -> None:
    await over_tcp_whole(case, shared_server)


@TOGETHER
@SHARED_TCP
async def test_over_tcp_byte_by_byte_together(case: Case, shared_server: Any) -> None:
    await over_tcp_byte_by_byte(case, shared_server)


@TOGETHER
@SHARED_HTTP
async def test_over_http_together(case: Case, shared_server: Any) -> None:
    await over_http(case, shared_server)


async def test_over_tcp_glued(live_server: Any) -> None:
    async with connect(live_server) as client:
        client.writer.write(b"".join(case.document.strip() for case in GLUED))
        for case in GLUED:
            check(case, await client.line())
