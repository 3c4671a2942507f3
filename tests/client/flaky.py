"""A server whose connections break when a test says so: it answers by itself, or passes everything on to a real one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

ASKED = re.compile(rb"<TYPE>(\w+)</TYPE><REQUESTID>(\w+)</REQUESTID>")


class Flaky:
    """`drop_after` so many more answers a connection is cut instead of the next; `cut_after` so many bytes of the real
    server it is cut once. While `hold` is not set answers wait; with `silent` there are none."""

    def __init__(self, real_port: int) -> None:
        self.real_port = real_port
        self.port = 0
        self.connections = 0
        self.received: list[str] = []
        self.drop_after: int | None = None
        self.cut_after: int | None = None
        self.silent = False
        self.request_id = ""
        self.hold = asyncio.Event()
        self.hold.set()
        self.passed_on = b""
        self.open: set[asyncio.StreamWriter] = set()

    async def has_received(self, count: int) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(20):
            while len(self.received) < count:
                await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.open.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await (self._pass_on(reader, writer) if self.real_port else self._answer(reader, writer))
        finally:
            self.open.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = ASKED.search(await reader.readuntil(b"\r\n"))
            assert asked is not None
            kind, number = (part.decode() for part in asked.groups())
            self.received.append(kind)
            if self.silent:
                continue
            if self.drop_after == 0:
                self.drop_after = None
                return
            if self.drop_after is not None:
                self.drop_after -= 1
            await self.hold.wait()
            names = f"<REQUESTTYPE>{kind}</REQUESTTYPE><REQUESTID>{self.request_id or number}</REQUESTID>"
            outcome = "<RESULTTYPE>API_OK</RESULTTYPE><RESULTCODE>20</RESULTCODE><RESULTMSG>API_OK</RESULTMSG>"
            writer.write(f"<RESULT>{names}{outcome}</RESULT>\r\n".encode())

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        real_reader, real_writer = await asyncio.open_connection("127.0.0.1", self.real_port)

        async def upwards() -> None:
            while data := await reader.read(65536):
                self.passed_on += data
                real_writer.write(data)

        sending = asyncio.create_task(upwards())
        try:
            passed = 0
            while data := await real_reader.read(1000):
                writer.write(data)
                await writer.drain()
                passed += len(data)
                if self.cut_after is not None and passed >= self.cut_after:
                    self.cut_after = None
                    return
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            real_writer.close()


@asynccontextmanager
async def flaky(real_port: int = 0) -> AsyncIterator[Flaky]:
    """Such a server on a free port for the length of a block."""
    state = Flaky(real_port)
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in list(state.open):
            writer.close()
        await server.wait_closed()
