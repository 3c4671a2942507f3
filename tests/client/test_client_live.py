"""The client against the real server: commands, errors, exports and events; and a server that dies in the middle."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from tests.client.flaky import flaky
from tests.plain_http import http_client
from tests.servers import LiveServer, Speaker, in_process

from earshot.client import (
    RECONNECTED,
    AsyncClient,
    Client,
    CommandFailed,
    NotAnswered,
    NotConnected,
    Server,
    TimedOut,
)
from earshot.client.events import Events


def at(speaker: Speaker, **options: object) -> Server:
    ports = {"api_port": speaker.api_port, "events_port": speaker.events_port, "http_port": speaker.http_port}
    return Server(host=speaker.host, **{**ports, **options})  # type: ignore[arg-type]


class TestCommands:
    async def test_an_answer_is_a_value(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            reply = await client.callstart(deviceid=555, user1="Gold & <Silver>", calldirection="I")
            assert reply.ok and reply.label == "API_OK" and reply.resultcode == 20
            assert reply.message == "CALLSTART sent to all of the following cores: 1"
            assert reply.request_id == "1"
            listed = await client.devicelist()
            assert listed.request_id == "2" and [row["DEVICEID"] for row in listed.rows] == ["555"]
            assert listed.rows[0]["USER1"] == "Gold & <Silver>"
            await client.callstart(deviceid=556)
            assert [row["DEVICEID"] for row in (await client.devicelist()).rows] == ["555", "556"]
            devices = listed.body["DEVICES"]
            assert isinstance(devices, dict) and devices["COUNT"] == "1"
            assert (await client.addgroup(groupname="Sales")).text("GROUPNAME") == "Sales"
            assert (await client.calllist(callcount=3)).rows == ()

    async def test_an_error_is_an_exception_unless_told_otherwise(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            with pytest.raises(CommandFailed, match="CALLSTART: API_DEVICE_INVALID: Could not find a device") as failed:
                await client.callstart(ani="1")
            assert failed.value.label == "API_DEVICE_INVALID"
            assert failed.value.reply.resultcode == 8
            reply = await client.callstart(ani="1", check=False)
            assert not reply.ok and reply.label == "API_DEVICE_INVALID"
            assert (await client.send("NOSUCHCOMMAND", {}, check=False)).label == "API_UNKNOWN_MESSAGE_TYPE"

    async def test_blank_empties_and_none_leaves_alone(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            await client.callstart(deviceid=555, user1="one", user2="two")
            await client.callupdate(deviceid=555, user1="", user2=None)
            row = (await client.devicestatus(deviceid=555)).rows[0]
            assert (row["USER1"], row["USER2"]) == ("", "two")

    async def test_many_at_once_share_one_connection_in_their_order(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            replies = await asyncio.gather(*(client.callstart(deviceid=n) for n in range(1000, 1500)))
            assert [reply.request_id for reply in replies] == [str(n) for n in range(1, 501)]
            assert len((await client.devicelist()).rows) == 500
            assert live_server.inside is not None
            assert 'tcp_connections"} 1.0' in await live_server.figures()

    async def test_over_http(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server), over_http=True) as client:
            assert (await client.callstart(deviceid=555, user1="ä&=")).ok
            assert (await client.devicelist()).rows[0]["USER1"] == "ä&="
            with pytest.raises(CommandFailed, match="API_DEVICE_INVALID"):
                await client.callstop()

    async def test_the_shared_token(self, tmp_path: Path) -> None:
        secret = "the token of this house, 0123456789"
        async with in_process(tmp_path / "data", api_token=secret) as speaker:
            for over_http in (False, True):
                async with AsyncClient(server=at(speaker), over_http=over_http) as client:
                    with pytest.raises(CommandFailed, match="API_BLANK_REQUIRED_VALUE"):
                        await client.test()
                async with AsyncClient(server=at(speaker, token=secret), over_http=over_http) as client:
                    assert (await client.test()).ok
                    assert secret not in repr(client.server)

    async def test_tls(self, tmp_path: Path) -> None:
        authority, trusting = trustme.CA(), ssl.create_default_context()
        authority.configure_trust(trusting)
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(key))
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        settings = {"tls_certificate": certificate, "tls_key": key}
        ports = {"api_tls_port": 0, "events_tls_port": 0, "https_port": 0}
        async with in_process(tmp_path / "data", **settings, **ports) as speaker:
            assert speaker.inside is not None
            found = {name: int(where.rpartition(":")[2]) for name, where in speaker.inside.addresses.items()
                     if name in ("api_tls", "events_tls", "https")}  # fmt: skip
            server = Server(
                api_port=found["api_tls"], events_port=found["events_tls"], http_port=found["https"], tls=trusting
            )
            async with (
                AsyncClient(server=server) as client,
                AsyncClient(server=server, over_http=True) as web,
                client.events(["CALLSTART"]) as events,
            ):
                assert (await client.callstart(deviceid=555)).ok and (await web.test()).ok
                assert (await asyncio.wait_for(anext(events), 20)).get("DEVICEID") == "555"
            async with AsyncClient(server=server, tls=True, patience_s=0.0) as distrustful:
                with pytest.raises(NotConnected, match="certificate"):
                    await distrustful.test()


class TestTheConnection:
    async def test_nobody_there(self) -> None:
        with pytest.raises(NotConnected, match="1:1 cannot be reached"):
            async with AsyncClient(api_port=1, patience_s=0.2) as client:
                await client.callstart(deviceid=1)

    async def test_a_server_that_never_answers(self) -> None:
        async with flaky() as server, AsyncClient(api_port=server.port, timeout_s=1.0) as client:
            server.silent = True
            first, second = await asyncio.gather(client.test(), client.callstart(deviceid=1), return_exceptions=True)
            assert isinstance(first, TimedOut) and isinstance(second, NotAnswered)
            server.silent = False
            assert (await client.test()).ok
            assert server.connections == 2

    async def test_what_may_be_repeated_is_repeated(self) -> None:
        async with flaky() as server, AsyncClient(api_port=server.port) as client:
            server.drop_after = 1
            assert (await client.test()).ok
            assert (await client.calllist()).ok
            assert server.received == ["TEST", "CALLLIST", "CALLLIST"]

    async def test_what_must_not_be_repeated_is_not(self) -> None:
        async with flaky() as server, AsyncClient(api_port=server.port) as client:
            server.drop_after = 0
            with pytest.raises(NotAnswered):
                await client.callstart(deviceid=1)
            assert server.received == ["CALLSTART"]
            assert (await client.callstart(deviceid=1)).ok

    async def test_an_answer_to_somebody_else_is_none(self) -> None:
        async with flaky() as server, AsyncClient(api_port=server.port) as client:
            server.request_id = "77"
            with pytest.raises(NotAnswered, match="belongs to request 77"):
                await client.callstart(deviceid=1)

    async def test_a_caller_that_gives_up_leaves_the_others_in_order(self) -> None:
        async with flaky() as server, AsyncClient(api_port=server.port) as client:
            server.hold.clear()
            tired = asyncio.create_task(client.test())
            patient = asyncio.create_task(client.calllist())
            await server.has_received(1)
            tired.cancel()
            await asyncio.gather(tired, return_exceptions=True)
            server.hold.set()
            assert (await patient).command == "CALLLIST"
            assert (await client.test()).request_id == "3"

    async def test_the_server_dies_and_comes_back_in_the_middle(self, server_process: LiveServer) -> None:
        async with AsyncClient(server=at(server_process), patience_s=120.0) as client:
            await client.callstart(deviceid=555)
            events = client.events()
            await events.open()
            seen: list[str] = []
            heard = asyncio.create_task(collect(events, seen, until="556"))
            asked = 0
            stop = asyncio.Event()

            async def keep_asking() -> None:
                nonlocal asked
                while not stop.is_set():
                    assert (await client.devicelist()).ok
                    asked += 1

            asking = asyncio.create_task(keep_asking())
            async with asyncio.timeout(60):
                while asked < 20:
                    await asyncio.sleep(0.01)
            await server_process.kill()
            before = asked
            await server_process.start()
            async with asyncio.timeout(60):
                while asked < before + 20:
                    await asyncio.sleep(0.01)
            stop.set()
            await asking
            async with asyncio.timeout(60):
                while RECONNECTED not in seen:
                    await asyncio.sleep(0.02)
            await client.callstart(deviceid=556)
            await asyncio.wait_for(heard, 60)
            await events.aclose()


async def collect(events: Events, seen: list[str], until: str) -> None:
    """Write down the types of what happens, until it happens to that device."""
    async for event in events:
        seen.append(event.type)
        if event.get("DEVICEID") == until:
            return


class TestEvents:
    async def test_only_what_was_asked_for(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            async with client.events(["CALLSTOP"]) as events:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.05)
                await client.callstart(deviceid=555)
                await client.callstop(deviceid=555)
                event = await asyncio.wait_for(anext(events), 20)
            assert event.type == "CALLSTOP" and event.get("DEVICEID") == "555" and event.number > 0

    async def test_a_type_that_does_not_exist(self, live_server: Speaker) -> None:
        async with AsyncClient(server=at(live_server)) as client:
            with pytest.raises(CommandFailed, match="API_EVENT_TYPE_INVALID"):
                await anext(client.events("NOSUCHTYPE"))


class TestExports:
    async def test_into_a_file_and_into_a_folder(self, live_server: Speaker, tmp_path: Path) -> None:
        await live_server.make_recording("700")
        told: list[tuple[int, int | None]] = []
        async with AsyncClient(server=at(live_server)) as client:
            (row,) = (await client.calllist(deviceid=700)).rows
            number = str(row["RECORDID"])
            wav = await client.export(
                tmp_path / "one.wav",
                uniquefield="RECORDID",
                uniqueid=number,
                media_format="WAV",
                progress=lambda done, whole: told.append((done, whole)),
            )
            assert wav.path.read_bytes()[:4] == b"RIFF" and wav.size == wav.path.stat().st_size
            assert told[-1] == (wav.size, wav.size) and wav.media_type.startswith("audio/")
            folder = tmp_path / "all"
            folder.mkdir()
            many = await client.multiexport(folder, ident=[int(number)], media_format="MP3")
            assert many.path == folder / many.file_name and many.path.read_bytes()[:2] == b"PK"
            with pytest.raises(CommandFailed, match="API_FILE_NOT_FOUND"):
                await client.combinedexport(folder, ident=[99999], media_format="WAV")
            assert {path.name for path in folder.iterdir()} == {many.file_name}

    async def test_a_broken_download_goes_on_where_it_broke(self, live_server: Speaker, tmp_path: Path) -> None:
        await live_server.make_recording("701")
        async with flaky(live_server.http_port) as proxy:
            async with AsyncClient(server=at(live_server, http_port=proxy.port)) as client:
                number = str((await client.calllist(deviceid=701)).rows[0]["RECORDID"])
                wanted = {"uniquefield": "RECORDID", "uniqueid": number, "media_format": "WAV"}
                proxy.cut_after = 6_000
                saved = await client.export(tmp_path / "one.wav", **wanted)  # type: ignore[arg-type]
                assert proxy.connections == 2 and b"Range: bytes=" in proxy.passed_on
            async with http_client() as http:
                query = {"type": "EXPORT", "requestid": "1", **wanted}
                whole = await http.get(f"http://127.0.0.1:{live_server.http_port}/webAPI.aspx", params=query)
            assert saved.path.read_bytes() == whole.content
            assert list(tmp_path.glob("*.part")) == []


class TestWithoutAnEventLoop:
    async def test_the_same_from_any_thread(self, live_server: Speaker) -> None:
        await asyncio.to_thread(self.use, at(live_server))

    def use(self, server: Server) -> None:
        with Client(server=server) as client:
            assert client.test().ok
            with client.events(["CALLSTART"]) as events:
                assert events.next(0.05) is None
                assert client.callstart(deviceid=555).ok
                assert next(events).get("DEVICEID") == "555"
            with pytest.raises(CommandFailed, match="API_DEVICE_INVALID"):
                client.callstop()
            with ThreadPoolExecutor(8) as threads:
                assert all(threads.map(lambda number: client.callstart(deviceid=number).ok, range(600, 650)))
            assert len(client.devicelist().rows) == 51
        with pytest.raises(NotConnected, match="closed"):
            client.test()
