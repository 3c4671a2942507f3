"""Runs SIPp (Debian package sip-tester) with scenarios of our own, and plays sound whenever a scenario asks for it.

A scenario asks over the socket SIPp has for third party call control (`-3pcc`): `<sendCmd>` names the lines to play,
`<recvCmd/>` waits until they were played. In scenario files `{name}` stands for the file parts/name.txt.
"""

import asyncio
import itertools
import os
import re
import shutil
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.sounds import Line, Speech

SCENARIOS = Path(__file__).parent / "scenarios"
TRANSPORTS = {"udp": "u1", "tcp": "t1"}
END_OF_CUE = b"\x1b"
LONGEST_S = 60
Restart = Callable[[], Awaitable[None]]
_ports = itertools.count(10000 + os.getpid() * 64 % 9000)
PIECE_S = 0.8


@dataclass(frozen=True, slots=True)
class Run:
    """How SIPp ended (0: every message was as the scenario wants it), and what it saw and said."""

    status: int
    messages: str
    errors: str


def scenario_text(name: str) -> str:
    """The scenario of that name as SIPp reads it, with every part put in."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _put_in((SCENARIOS / f"{name}.xml").read_text())


def _put_in(text: str) -> str:
    def part(match: re.Match[str]) -> str:
        found = (SCENARIOS / "parts" / f"{match[1]}.txt").read_text().rstrip("\n")
        return _put_in(found) * (40 if match[1] == "padding" else 1)

    return re.sub(r"\{(\w+)\}", part, text)


async def _never() -> None:
    raise ValueError("nothing is to be restarted here")


def _own_port() -> int:
    """A port that is free for UDP and TCP and that no other SIPp of this process was given."""
    for port in _ports:
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port
    raise AssertionError("ports never end")


class Prompter:
    """The other end of SIPp's third party: takes cues and has them played. `failure` is why a cue was not.

    The cue `Restart: the recorder` plays nothing and has `restart` done.
    """

    def __init__(self, speech: Speech, restart: Restart) -> None:
        self.failure: Exception | None = None
        self._speech = speech
        self._restart = restart

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one SIPp until it hangs up."""
        try:
            while True:
                cue = (await reader.readuntil(END_OF_CUE)).decode().strip("\x1b\r\n ")
                pairs = [line.split(": ", 1) for line in cue.splitlines()]
                lines = [Line.read(value) for name, value in pairs if name == "Play"]
                said = {name: value for name, value in pairs if name != "Play"}
                if "Restart" in said:
                    await self._restart()
                else:
                    await self._speech.play(lines, PIECE_S, said)
                writer.write(f"Call-ID: {said['Call-ID']}\r\nPlayed: yes\r\n\r\n".encode() + END_OF_CUE)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        except (ValueError, KeyError, OSError, AssertionError, TimeoutError) as failure:
            self.failure = failure
        finally:
            writer.close()


async def run_sipp(
    scenario: str,
    transport: str,
    sip_port: int,
    keys: Mapping[str, str],
    options: Sequence[str],
    folder: Path,
    speech: Speech,
    restart: Restart = _never,
) -> Run:
    """One call of SIPp against the SIP port of a server on this machine. Fails the test when SIPp is not installed."""
    program = shutil.which("sipp")
    if program is None:
        pytest.fail("SIPp is not installed: apt-get install sip-tester")
    folder.mkdir(parents=True)
    (folder / "scenario.xml").write_text(scenario_text(scenario))
    prompter = Prompter(speech, restart)
    third_party = await asyncio.start_server(prompter.serve, "127.0.0.1", 0)
    port = third_party.sockets[0].getsockname()[1]
    command = [program, f"127.0.0.1:{sip_port}", "-sf", "scenario.xml", "-t", TRANSPORTS[transport]]
    command += ["-i", "127.0.0.1", "-p", f"{_own_port()}", "-cp", f"{_own_port()}", "-m", "1", "-nostdin"]
    command += ["-timeout", f"{LONGEST_S}s", "-timeout_error"]
    command += ["-recv_timeout", "20000", "-trace_msg", "-message_file", "messages", "-trace_err", "-error_file"]
    command += ["errors", *options]
    if "<sendCmd>" in (folder / "scenario.xml").read_text():
        command += ["-3pcc", f"127.0.0.1:{port}"]
    for name, value in {"blank": " ", **keys}.items():
        command += ["-key", name, value]
    with (folder / "screen").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=screen, stderr=screen)
        try:
            status = await asyncio.wait_for(process.wait(), LONGEST_S + 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            third_party.close()
    if prompter.failure is not None:
        raise prompter.failure
    return Run(status, _text(folder / "messages"), _text(folder / "errors") or _text(folder / "screen"))


def _text(file: Path) -> str:
    return file.read_text(errors="replace") if file.exists() else ""
