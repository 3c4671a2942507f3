"""Real servers for tests: `earshot serve` as a process of its own, on free ports, ended by its own handle."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import BrokenExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.command_line import earshot
from tests.databases import put_empty_database
from tests.plain_http import http_client
from tests.ports import free_port, free_rtp_ports

from earshot.app import Server
from earshot.config import load
from earshot.core.seal_job import Sealed, SealJob
from earshot.core.sealing_pool import SealingPool
from earshot.ports.capture import Desktops, Hello, Order, WindowSeen
from earshot.simulate import command as simulation
from earshot.simulate.options import SimulateOptions, Summary

START_S = 60.0
STOP_S = 20.0
DOORS = ("api", "events", "http", "sip")
OK = b"<RESULTCODE>20<"


class SilentDesktop:
    """A desktop agent that hears what it is asked and never answers."""

    def __init__(self) -> None:
        self.asked: list[Order] = []

    def send(self, order: Order) -> None:
        self.asked.append(order)


@dataclass
class Speaker:
    """Speaks to a server that listens on `host`."""

    data_dir: Path
    host: str = "127.0.0.1"
    api_port: int = 0
    events_port: int = 0
    http_port: int = 0
    sip_port: int = 0
    rtp_ports: str = ""
    inside: Server | None = None
    undo: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def send(self, document: str | bytes) -> bytes:
        """One request over a connection of its own; returns the answer with its CRLF."""
        reader, writer = await asyncio.open_connection(self.host, self.api_port, limit=1 << 26)
        try:
            writer.write(document.encode() if isinstance(document, str) else document)
            return await asyncio.wait_for(reader.readuntil(b"\r\n"), 30)
        finally:
            writer.close()
            await writer.wait_closed()

    async def command(self, kind: str, **parameters: Any) -> bytes:
        """One command; `command("CALLSTART", DEVICEID=555)`."""
        inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in parameters.items())
        return await self.send(f"<REQUEST><TYPE>{kind}</TYPE><REQUESTID>1</REQUESTID>{inner}</REQUEST>\r\n")

    async def until(self, kind: str, wanted: bytes, timeout_s: float = 30.0, **parameters: Any) -> bytes:
        """Ask again and again until the answer holds `wanted`; returns that answer."""
        answer = b""
        try:
            async with asyncio.timeout(timeout_s):
                while wanted not in answer:
                    answer = await self.command(kind, **parameters)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{kind} never answered {wanted!r}, last: {answer!r}\n{self.log()[-3000:]}") from None
        return answer

    def log(self) -> str:
        """What it logged so far, where that is known."""
        return ""

    async def figures(self) -> str:
        """What /metrics shows."""
        async with http_client() as http:
            return (await http.get(f"http://{self.host}:{self.http_port}/metrics")).text

    async def shows(self, wanted: str, timeout_s: float = 30.0) -> None:
        """Wait until /metrics holds `wanted`."""
        found = ""
        try:
            async with asyncio.timeout(timeout_s):
                while wanted not in found:
                    found = await self.figures()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{wanted} never came; last: {found}") from None

    async def simulate(self, **options: Any) -> Summary:
        """Real SIPREC calls from the simulated phone system, until they are over."""
        made = SimulateOptions(
            sip_host=self.host,
            sip_port=self.sip_port,
            api_host=self.host,
            api_port=self.api_port,
            events_host=self.host,
            events_port=self.events_port,
            quiet=True,
            **options,
        )
        return await simulation.run(made, asyncio.Event())

    def add_desktop(self, name: str) -> Desktops:
        """A desktop agent of computer and user `name` that has said hello and shown a window, as in the specification's
        example of AGENTWINDOW; only of a server in this process. Returns where it reports."""
        assert self.inside is not None
        desktops = self.inside.context.desktops
        hello = Hello(computer=name, username=name, domain="uptivity.com", address="10.100.5.91")
        desktop = desktops.connected(hello, SilentDesktop())
        desktops.reported(desktop, WindowSeen(title="Internet Explorer", at=self.inside.clock.now()))
        return desktops

    async def make_recording(self, device_id: str) -> None:
        """A short recording of that device, there when this returns."""
        await self.simulate(
            calls=1, concurrent=1, length_s=(1.0, 1.0), crm=False, first_device=int(device_id), devices=1
        )
        await self.until("CALLLIST", b"<RECORDID>", DEVICEID=device_id)


@dataclass
class LiveServer(Speaker):
    """A server as a process, on the same ports at every start; `extra` goes on the command line, `env` into its
    environment. It finds its database made, unless it `migrates` itself."""

    extra: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    program: list[str] = field(default_factory=lambda: [sys.executable, "-m", "earshot", "serve"])
    process: asyncio.subprocess.Process | None = None
    migrates: bool = False

    async def start(self) -> None:
        """Start it and wait until it says `ready`. Ports of an earlier start are used again."""
        self.rtp_ports = self.rtp_ports or free_rtp_ports()
        for name in DOORS:
            setattr(self, f"{name}_port", getattr(self, f"{name}_port") or free_port())
        if not self.migrates and "EARSHOT_DATABASE_URL" not in self.env:
            put_empty_database(self.data_dir)
        command = [*self.program, "--data-dir", str(self.data_dir), "--rtp-ports", self.rtp_ports]
        for name in DOORS:
            command += [f"--{name}-port", str(getattr(self, f"{name}_port"))]
        log = (self.data_dir.parent / f"{self.data_dir.name}.log").open("ab")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")},
            "EARSHOT_DISK_RESERVE_MB": "0",
            "PYTHONFAULTHANDLER": "1",
            **self.env,
        }
        self.process = await asyncio.create_subprocess_exec(
            *command, *self.extra, stdout=subprocess.PIPE, stderr=log, env=environment
        )
        log.close()
        try:
            async with asyncio.timeout(START_S):
                await self._read_addresses()
        except TimeoutError:
            await self._told_where()
            raise AssertionError(f"the server did not start in {START_S:g} s:\n{self.log()[-8000:]}") from None

    async def _told_where(self) -> None:
        """End a process that hangs so that its log says where each of its threads was."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGABRT)
        await self.process.wait()

    async def _read_addresses(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode().strip():
            if line == "ready":
                return
            name, _, address = line.partition(" ")
            if name != "rtp":
                setattr(self, f"{name}_port", int(address.rpartition(":")[2]))
        raise AssertionError(f"the server did not start:\n{self.log()[-4000:]}")

    def log(self) -> str:
        """What it logged so far."""
        return (self.data_dir.parent / f"{self.data_dir.name}.log").read_text(errors="replace")

    async def stop(self) -> int:
        """SIGTERM, then wait; returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            await self._told_where()
            raise AssertionError(f"the server did not end in {STOP_S:g} s:\n{self.log()[-8000:]}") from None

    async def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def check(self) -> str:
        """`earshot check` on its data folder: empty when nothing is wrong, else what it printed."""
        status, said = await earshot("check", "--data-dir", str(self.data_dir))
        return "" if status == 0 else said


class LentPool(SealingPool):
    """The sealing process of the servers in this process, one after the other: to begin one takes longer than most
    tests. A server that stops in the middle of sealing ends it, as it would its own."""

    async def render(self, job: SealJob) -> Sealed:
        try:
            return await super().render(job)
        except (asyncio.CancelledError, BrokenExecutor):
            super().close()
            raise

    def close(self) -> None:
        """It is only lent."""


LENT = LentPool(1)


@asynccontextmanager
async def running(data_dir: Path, *extra: str, env: dict[str, str] | None = None) -> AsyncIterator[LiveServer]:
    """A server for the length of a block; killed if the block did not stop it."""
    server = LiveServer(data_dir, extra=list(extra), env=env or {})
    try:
        await server.start()
        yield server
    finally:
        if server.process is not None:
            await server.kill()


@asynccontextmanager
async def in_process(data_dir: Path, **settings: Any) -> AsyncIterator[Speaker]:
    """The same server inside the running loop: real sockets, started in a fraction of the time.

    `settings` are those of `earshot.config`, but `rtp_ports` is how many.
    """
    ports: dict[str, Any] = {f"{name}_port": 0 for name in DOORS}
    rtp_ports = free_rtp_ports(settings.pop("rtp_ports", 60))
    chosen = load(data_dir=data_dir, rtp_ports=rtp_ports, **{"disk_reserve_mb": 0, **ports, **settings})
    if not chosen.database_url:
        put_empty_database(data_dir)
    server = Server(chosen, pool=LENT if chosen.sealing_processes == 1 else None)
    await server.start()
    if not chosen.database_url:
        await asyncio.wait_for(asyncio.shield(server.opened), START_S)
    found: dict[str, Any] = {f"{name}_port": int(server.addresses[name].rpartition(":")[2]) for name in DOORS}
    speaker = Speaker(data_dir, rtp_ports=chosen.rtp_ports, inside=server, **found)
    try:
        yield speaker
    finally:
        await server.stop()
        await speaker.undo.aclose()
