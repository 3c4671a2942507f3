"""A receiver of webhooks for tests: a real HTTP server that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from tests.ports import free_port


@dataclass
class Got:
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        values: dict[str, Any] = orjson.loads(self.body)
        return values


@dataclass
class Receiver:
    """`answers` are given in turn, then `always`; an answer is a status, b"raw bytes", or "hang"."""

    answers: list[int | bytes | str] = field(default_factory=list)
    always: int | bytes | str = 204
    got: list[Got] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    @property
    def types(self) -> list[str]:
        return [one.event["type"] for one in self.got]

    async def until(self, count: int, timeout_s: float = 30.0) -> None:
        """Wait until so many requests came."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.got) < count:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{count} requests never came, these did: {self.types}") from None

    async def open(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
                headers = {name.lower(): value for name, _, value in lines}
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append(Got(headers, body))
                answer = self.answers.pop(0) if self.answers else self.always
                if answer == "hang":
                    continue
                if isinstance(answer, int):
                    answer = f"HTTP/1.1 {answer} Said\r\nContent-Length: 4\r\n\r\nsaid".encode()
                    answer = answer if b" 204 " not in answer else b"HTTP/1.1 204 Taken\r\n\r\n"
                assert isinstance(answer, bytes)
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


@asynccontextmanager
async def receiving(
    answers: list[int | bytes | str] | None = None, always: int | bytes | str = 204
) -> AsyncIterator[Receiver]:
    receiver = Receiver(answers=answers or [], always=always)
    await receiver.open()
    try:
        yield receiver
    finally:
        await receiver.close()
