"""The conformance cases against a server that runs: over TCP whole, byte by byte and glued, and over HTTP.

The fixture `live_server` gives `host`, `api_port` and `http_port`. Cases that need a finished recording use its
coroutine `make_recording(device_id)`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.conformance.cases import Case, all_cases, differences
from tests.post.mailable import mail_recording

from earshot.protocol.xml import parse, read_result

LIVE = [case for case in all_cases() if not case.later and case.reply is not None]
OVER_TCP = [case for case in LIVE if "tcp" in case.doors]
OVER_HTTP = [case for case in LIVE if "http" in case.doors]
GLUED = [case for case in OVER_TCP if not case.needs and not case.setup]


def named(case: Case) -> str:
    return case.name


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


@pytest.mark.parametrize("case", OVER_TCP, ids=named)
async def test_over_tcp_whole(case: Case, live_server: Any) -> None:
    async with connect(live_server) as client:
        await prepare(case, live_server, client)
        check(case, await client.ask(case.document))


@pytest.mark.parametrize("case", OVER_TCP, ids=named)
async def test_over_tcp_byte_by_byte(case: Case, live_server: Any) -> None:
    async with connect(live_server) as client:
        await prepare(case, live_server, client)
        for byte in case.document:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        check(case, await client.line())


async def test_over_tcp_glued(live_server: Any) -> None:
    async with connect(live_server) as client:
        client.writer.write(b"".join(case.document.strip() for case in GLUED))
        for case in GLUED:
            check(case, await client.line())


@pytest.mark.parametrize("case", OVER_HTTP, ids=named)
async def test_over_http(case: Case, live_server: Any) -> None:
    async with connect(live_server) as client:
        url = f"http://{live_server.host}:{live_server.http_port}/webAPI.aspx"
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            for way in ("query", "form", "xml"):
                if case.is_url and way == "xml":
                    continue
                await prepare(case, live_server, client)
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
