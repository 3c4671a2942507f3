"""Junk on every port, of every size, cut off anywhere: nothing stops anything else, a call meanwhile is complete."""

import asyncio
import contextlib
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from tests.faults.evidence import (
    PACKETS_A_SECOND,
    TOLERANCE_S,
    is_heard,
    of_device,
    phones_at,
    problems,
    server_at,
    sound_of,
    until_rows,
)
from tests.plain_http import http_client
from tests.servers import LiveServer

MB = 1024 * 1024
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(190)
HALVES = (
    b"<REQUEST><TYPE>CALLSTART</TYPE><DEVICEID>66",
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"c" * 50_000,
    b"GET /webAPI.aspx?type=test HTTP/1.1\r\nHost: x\r\nX-Long: ",
    b"POST /webAPI.aspx HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n<REQUEST>",
    b"INVITE sip:rec@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nContent-Length: 500\r\n\r\nv=0",
    b"BYE sip:rec@127.0.0.1 SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"<REQUEST>" * 2000,
    b"<REQUEST><TYPE>CALLSTART</TYPE><DEVICEID>\xff\xfe&#0;</DEVICEID><KEEPDAYS>"
    + b"9" * 400
    + b"</KEEPDAYS></REQUEST>",
)
POISON = (
    {"DEVICEID": "6601", "KEEPDAYS": "9" * 30, "ANI": "&#x1F600;"},
    {"DEVICEID": "6602", "MAXRECORDTIME": "9" * 25, "GROUP": "x" * 300_000},
    {"DEVICEID": "../'; DROP TABLE calls; --", "USER1": "../../etc/passwd"},
    {"DEVICEID": "66\ud800", "ANI": "\udfff"},
    {"DEVICEID": "6605\0", "ANI": "\x01\x7f"},
)
"""Values that somebody down the line may choke on: they are refused, or kept and stored."""


def junk(rng: random.Random) -> Iterator[bytes]:
    """Every kind once: random bytes of several sizes, enormous lines, beginnings of something, another protocol."""
    for size in (1, 11, 12, 13, 200, 1400, 9000, 65_000):
        yield rng.randbytes(size)
    yield b"A" * 3 * MB
    yield b"\r\n" * 50_000
    yield bytes(100_000)
    yield TLS_HELLO
    yield from HALVES
    for half in HALVES:
        whole = bytearray(half * 3)
        for _ in range(20):
            whole[rng.randrange(len(whole))] = rng.randrange(256)
        yield bytes(whole)


async def throw(port: int, data: bytes, rng: random.Random, left_open: list[asyncio.StreamWriter]) -> None:
    """Send over a connection of its own, in pieces; hang up, reset, or leave it open."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2.0):
            while data:
                cut = rng.randrange(1, len(data) + 1)
                writer.write(data[:cut])
                await writer.drain()
                data = data[cut:]
    fate = rng.randrange(3)
    if fate == 0:
        left_open.append(writer)
    elif fate == 1:
        writer.close()
    else:
        writer.transport.abort()


def throw_datagrams(port: int, rng: random.Random) -> None:
    """Random datagrams; among them what passes for RTP, with a version that fits and a type that is in use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in junk(rng):
            sender.sendto(data[: rng.choice((1400, 9000, 60_000))], ("127.0.0.1", port))
        for _ in range(200):
            like_rtp = bytes([0x80, rng.choice((0, 8, 9, 101, 18))]) + rng.randbytes(rng.randrange(10, 400))
            sender.sendto(like_rtp, ("127.0.0.1", port))


async def poison(server: LiveServer) -> None:
    """Announce calls with strange values over both doors; each that is accepted ends in a row like any other."""
    async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
        for values in POISON:
            announce = "".join(f"<{tag}>{value}</{tag}>" for tag, value in values.items())
            request = f"<REQUEST><TYPE>CALLSTART</TYPE><REQUESTID>1</REQUESTID>{announce}</REQUEST>\r\n"
            assert b"<RESULT>" in await server.send(request.encode("utf-8", "surrogatepass"))
            pairs = {"type": "callstart", "requestid": "1", "callinstance": "web", **values}
            query = urlencode({name: text.encode("utf-8", "surrogatepass") for name, text in pairs.items()})
            assert (await http.get(f"/webAPI.aspx?{query[:60_000]}")).status_code == 200
        await http.get("/webAPI.aspx?type=callstart&requestid=1&deviceid=6699")
    before = await server.command("DEVICELIST")
    for device in set(re.findall(rb"<DEVICEID>(.*?)</DEVICEID>", before)) - {b"2001", b"2002"}:
        for _ in range(2):
            stop = b"<REQUEST><TYPE>CALLSTOP</TYPE><REQUESTID>1</REQUESTID><DEVICEID>%s</DEVICEID></REQUEST>\r\n"
            assert b"<RESULTCODE>20<" in await server.send(stop % device)
    await until_rows(server.data_dir, "6699")
    async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http, asyncio.timeout(10.0):
        while "earshot_calls_to_seal 0.0" not in (await http.get("/metrics")).text:
            await asyncio.sleep(0.1)


async def still_there(server: LiveServer) -> None:
    """Every door answers a proper request."""
    async with asyncio.timeout(10.0), http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
        assert b"<RESULTCODE>20<" in await server.command("TEST")
        assert (await http.get("/metrics")).status_code == 200
        reply = await http.get("/webAPI.aspx?type=test&requestid=1")
        assert b"<RESULTCODE>20<" in reply.content
        for transport in ("udp", "tcp"):
            async with phones_at(server, transport) as exchange:
                assert (await exchange.client.options()).status == 200
        _, writer = await asyncio.open_connection("127.0.0.1", server.events_port)
        writer.close()


async def test_junk_everywhere(tmp_path: Path, seed: int = 7) -> None:
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    left_open: list[asyncio.StreamWriter] = []
    async with server_at(tmp_path / "data") as server:
        await server.start()
        async with phones_at(server) as exchange:
            clean, dirty = await exchange.ring("2001"), await exchange.ring("2002")
            began = loop.time()
            await asyncio.sleep(0.5)
            tcp = (server.api_port, server.http_port, server.events_port, server.sip_port)
            await asyncio.gather(*(throw(port, data, rng, left_open) for port in tcp for data in junk(rng)))
            targets = [target.port for target in dirty.call.targets if target is not None]
            for port in (server.sip_port, *targets, *targets):
                throw_datagrams(port, rng)
            await poison(server)
            await still_there(server)
            length_s = loop.time() - began
            await exchange.phones.hang_up(clean)
            await exchange.phones.hang_up(dirty)
            assert not exchange.phones.refusals
            found = await until_rows(server.data_dir, "2001", "2002")
            await still_there(server)
        for writer in left_open:
            writer.transport.abort()
        assert await server.stop() == 0
    (heard,) = of_device(found, "2001")
    assert (heard.verdict, heard.reason) == ("recorded", "bye")
    for leg in heard.recordings[0].legs:
        assert leg.lost == 0
        assert abs(leg.received - length_s * PACKETS_A_SECOND) < TOLERANCE_S * PACKETS_A_SECOND
    (disturbed,) = of_device(found, "2002")
    (recording,) = disturbed.recordings
    assert abs(recording.duration_s - length_s) < TOLERANCE_S
    assert is_heard(sound_of(server.data_dir, recording), 0.0, length_s)
    assert "Traceback" not in server.log() and "task_failed" not in server.log()
    assert await problems(server.data_dir) == []
