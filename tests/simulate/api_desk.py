"""A small API server for the tests of the simulated CRM: answers API_OK in order, and can push events."""

import asyncio
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


@dataclass
class ApiDesk:
    """Keeps every request as a dictionary; `events` are written to whoever is connected to the events port."""

    requests: list[dict[str, str]] = field(default_factory=list)
    result: str = "API_OK"
    mute: bool = False
    port: int = 0
    events_port: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: list[asyncio.StreamWriter] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        for handler in (self._answer, self._listen):
            self._servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        self.port, self.events_port = (server.sockets[0].getsockname()[1] for server in self._servers)

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for writer in self.writers:
            writer.close()
        await asyncio.gather(*self._connections)
        for server in self._servers:
            await server.wait_closed()

    def _enter(self, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._enter(writer)
        while line := await reader.readline():
            root = ElementTree.fromstring(line)
            values = {child.tag: child.text or "" for child in root}
            self.requests.append(values)
            self.changed.set()
            if not self.mute:
                text = (
                    f"<RESULT><REQUESTTYPE>{values['TYPE']}</REQUESTTYPE><REQUESTID>{values['REQUESTID']}</REQUESTID>"
                    f"<RESULTTYPE>{self.result}</RESULTTYPE><RESULTCODE>20</RESULTCODE>"
                    f"<RESULTMSG>{values.get('DEVICEID', '')}</RESULTMSG></RESULT>\r\n"
                )
                writer.write(text.encode())
        writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._enter(writer)
        self.listeners.append(writer)
        self.changed.set()
        await reader.read()
        writer.close()

    def push(self, kind: str, device: str, instance: str) -> None:
        text = f"<EVENT><TYPE>{kind}</TYPE><DEVICEID>{device}</DEVICEID><CALLINSTANCE>{instance}</CALLINSTANCE></EVENT>"
        for writer in self.listeners:
            writer.write(text.encode() + b"\r\n")

    def commands(self, device: str | None = None) -> list[str]:
        return [request["TYPE"] for request in self.requests if device in (None, request.get("DEVICEID"))]

    async def until_listened(self) -> None:
        async with asyncio.timeout(10):
            while not self.listeners:
                self.changed.clear()
                await self.changed.wait()
