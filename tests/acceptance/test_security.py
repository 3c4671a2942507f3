"""Who may do what at the doors of a running server: TLS beside plain, the shared token, allow-lists, what is noted of
each act, and secrets that stay out of logs."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from starlette.routing import BaseRoute, Mount, Route
from tests.plain_http import http_client
from tests.ports import free_rtp_ports
from tests.servers import LiveServer, Speaker, in_process, running
from typer.testing import CliRunner

from earshot.actor import SYSTEM
from earshot.api.audit_trail import RecordedTrail
from earshot.api.authority import Authority
from earshot.api.permissions import CALL_CONTROL, EXPORT, SEARCH
from earshot.api.tokens import Tokens
from earshot.app import Server
from earshot.certificate import Certificate
from earshot.cli import cli
from earshot.clock import FakeClock, SystemClock
from earshot.config import load
from earshot.errors import ConfigurationError
from earshot.operations import create_user
from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.store.sql import database_at
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens
from earshot.web.gate import OPEN_PATHS
from earshot.web.permitted import NEEDS

TOKEN = "the token of this house, 0123456789"
TEST = "<REQUEST><TYPE>TEST</TYPE><REQUESTID>7</REQUESTID>{}</REQUEST>\r\n"


@asynccontextmanager
async def a_server(data_dir: Path, **settings: Any) -> AsyncIterator[Server]:
    """The server itself, inside the running loop."""
    ports: dict[str, Any] = {f"{name}_port": 0 for name in ("api", "events", "http", "sip")}
    server = Server(load(data_dir=data_dir, rtp_ports=free_rtp_ports(), disk_reserve_mb=0, **ports, **settings))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def port_of(server: Server, name: str) -> int:
    return int(server.addresses[name].rpartition(":")[2])


async def entries(data_dir: Path, **wanted: Any) -> list[AuditEntry]:
    """The audit trail, oldest first, read beside the running server."""
    database = database_at(f"sqlite:///{data_dir / 'earshot.db'}")
    await database.open()
    try:
        return list(reversed(await SqlAudit(database).entries(AuditFilter(**wanted), 100)))
    finally:
        await database.close()


async def a_token(data_dir: Path, user_id: int, *scopes: str) -> dict[str, str]:
    """The header of a new API token of that user."""
    database, clock = database_at(f"sqlite:///{data_dir / 'earshot.db'}"), SystemClock()
    await database.open()
    try:
        trail = RecordedTrail(SqlAudit(database), clock)
        tokens = Tokens(SqlTokens(database), Authority(SqlAccess(database), clock), clock, lambda: trail)
        _, secret = await tokens.create(SYSTEM, user_id, "crm", frozenset(scopes), 1)
        return {"authorization": f"Bearer {secret}"}
    finally:
        await database.close()


class TestTls:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def files(self, authority: trustme.CA, tmp_path: Path) -> dict[str, Any]:
        issued = authority.issue_cert("127.0.0.1")
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        issued.private_key_pem.write_to_path(str(key))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(certificate), append=True)
        return {"tls_certificate": certificate, "tls_key": key}

    async def test_plain_and_tls_side_by_side(
        self, authority: trustme.CA, files: dict[str, Any], tmp_path: Path
    ) -> None:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        ports: dict[str, Any] = {"api_tls_port": 0, "events_tls_port": 0, "https_port": 0}
        await create_user(load(data_dir=tmp_path / "data"), "ada", "long enough a word", True)
        async with a_server(tmp_path / "data", **files, **ports) as server:
            watching, watcher = await asyncio.open_connection("127.0.0.1", port_of(server, "events_tls"), ssl=trusting)
            for name, tls in (("api", None), ("api_tls", trusting)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server, name), ssl=tls)
                for number in range(3):
                    call = f"<TYPE>CALLSTART</TYPE><REQUESTID>{number}</REQUESTID><DEVICEID>7{number}</DEVICEID>"
                    started = f"<REQUEST>{call}</REQUEST>\r\n"
                    writer.write((started + TEST.format("")).encode())
                for _ in range(6):
                    assert b"API_OK" in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
                writer.close()
                await writer.wait_closed()
            assert b"<TYPE>CALLSTART</TYPE>" in await asyncio.wait_for(watching.readuntil(b"</EVENT>"), 10)
            watcher.close()
            for scheme, port in (("http", port_of(server, "http")), ("https", port_of(server, "https"))):
                base = f"{scheme}://127.0.0.1:{port}"
                async with httpx.AsyncClient(verify=trusting, base_url=base, headers={"origin": base}) as http:
                    assert "API_OK" in (await http.get("/webAPI.aspx?type=test&requestid=1")).text
                    entered = await http.post("/login", data={"username": "ada", "password": "long enough a word"})
                    assert entered.status_code == 303
                    assert ("Secure" in entered.headers["set-cookie"]) is (scheme == "https")
                    assert (await http.get("/recordings")).status_code == 200

    async def test_who_does_not_trust_us_gets_nowhere(self, files: dict[str, Any], tmp_path: Path) -> None:
        async with a_server(tmp_path / "data", **files, api_tls_port=0, events_tls_port=-1, https_port=-1) as server:
            assert "https" not in server.addresses and "events_tls" not in server.addresses
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port_of(server, "api_tls"), ssl=ssl.create_default_context())
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server, "api_tls"))
            writer.write(TEST.format("").encode())
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
            writer.close()

    async def test_a_new_certificate_is_used_without_a_restart(
        self, authority: trustme.CA, files: dict[str, Any]
    ) -> None:
        clock = FakeClock()
        renewed = authority.issue_cert(
            "127.0.0.1", not_after=datetime.fromtimestamp(clock.now(), UTC) + timedelta(days=1)
        )
        certificate = Certificate(files["tls_certificate"], files["tls_key"], clock)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=certificate.context)
        port = server.sockets[0].getsockname()[1]

        def shown() -> bytes:
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))

        first = await asyncio.to_thread(shown)
        assert certificate.said() == ()
        files["tls_certificate"].write_bytes(renewed.cert_chain_pems[0].bytes())
        certificate.look()
        (refused,) = certificate.said()
        assert "stays in use" in refused
        assert await asyncio.to_thread(shown) == first
        renewed.private_key_pem.write_to_path(str(files["tls_key"]))
        certificate.look()
        (expires,) = certificate.said()
        assert "expires on" in expires
        second = await asyncio.to_thread(shown)
        assert second == ssl.PEM_cert_to_DER_cert(renewed.cert_chain_pems[0].bytes().decode()) != first
        clock.advance(2 * 86400)
        assert "expired on" in certificate.said()[0]
        files["tls_key"].unlink()
        certificate.look()
        assert await asyncio.to_thread(shown) == second
        server.close()
        await server.wait_closed()

    async def test_a_key_that_does_not_fit_is_said_at_the_start(
        self, authority: trustme.CA, files: dict[str, Any], tmp_path: Path
    ) -> None:
        other = tmp_path / "other.pem"
        authority.issue_cert("example.org").private_key_pem.write_to_path(str(other))
        ports: dict[str, Any] = {f"{name}_port": 0 for name in ("api", "events", "http", "sip")}
        chosen: dict[str, Any] = ports | files | {"tls_key": other}
        server = Server(load(data_dir=tmp_path / "data", rtp_ports=free_rtp_ports(), **chosen))
        with pytest.raises(ConfigurationError, match="tls_certificate and tls_key"):
            await server.start()


class TestSharedToken:
    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncIterator[Speaker]:
        async with in_process(tmp_path / "data", api_token=TOKEN) as server:
            yield server

    @pytest.mark.parametrize(
        ("sent", "label"),
        [
            ("", "API_BLANK_REQUIRED_VALUE"),
            ("<TOKEN></TOKEN>", "API_BLANK_REQUIRED_VALUE"),
            ("<TOKEN>a guess</TOKEN>", "API_INVALID_MESSAGE_FORMAT"),
            (f"<TOKEN>{TOKEN}</TOKEN>", "API_OK"),
            (f"<apitoken> {TOKEN} </apitoken>", "API_OK"),
        ],
    )
    async def test_over_tcp(self, server: Speaker, sent: str, label: str) -> None:
        answer = await server.send(TEST.format(sent))
        assert f"<RESULTTYPE>{label}</RESULTTYPE>".encode() in answer
        assert b"<REQUESTID>7</REQUESTID>" in answer and b"<REQUESTTYPE>TEST<" in answer
        assert b"guess" not in answer and TOKEN.encode() not in answer
        if label != "API_OK":
            assert 'earshot_api_total{what="tcp_refused_token"} 1.0' in await server.figures()

    async def test_a_refused_request_changes_nothing(self, server: Speaker) -> None:
        await server.command("CALLSTART", DEVICEID=555)
        assert b"<COUNT>0<" in await server.command("DEVICELIST", TOKEN=TOKEN)

    async def test_over_http(self, server: Speaker) -> None:
        async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
            url = "/webAPI.aspx?type=test&requestid=1"
            for headers, query, label in (
                ({}, "", "API_BLANK_REQUIRED_VALUE"),
                ({}, "&token=wrong", "API_INVALID_MESSAGE_FORMAT"),
                ({}, f"&token={TOKEN}", "API_OK"),
                ({"x-api-token": TOKEN}, "", "API_OK"),
                ({"authorization": f"Bearer {TOKEN}"}, "", "API_OK"),
                ({"x-api-token": "wrong"}, "", "API_INVALID_MESSAGE_FORMAT"),
            ):
                answer = await http.get(url + query, headers=headers)
                assert f"<RESULTTYPE>{label}<" in answer.text, (headers, query)
            posted = await http.post("/webAPI.aspx", content=TEST.format(f"<TOKEN>{TOKEN}</TOKEN>"))
            assert "API_OK" in posted.text
            posted = await http.post("/webAPI.aspx", content=f"type=test&requestid=1&apitoken={TOKEN}")
            assert "API_OK" in posted.text

    async def test_events_are_told_to_who_brings_it(self, server: Speaker) -> None:
        registered = "<REQUEST><TYPE>REGISTEREVENTS</TYPE><REQUESTID>1</REQUESTID><MODE>ALL</MODE>{}</REQUEST>\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.events_port)
        for sent, label in ((" ", b"API_BLANK_REQUIRED_VALUE"), ("<TOKEN>no</TOKEN>", b"API_INVALID_MESSAGE_FORMAT")):
            writer.write(registered.format(sent).encode())
            assert label in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        await server.command("CALLSTART", DEVICEID=1, TOKEN=TOKEN)
        writer.write(registered.format(f"<TOKEN>{TOKEN}</TOKEN>").encode())
        assert b"API_OK" in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10), "no event came before"
        await server.command("CALLSTART", DEVICEID=2, TOKEN=TOKEN)
        assert b"<DEVICEID>2<" in await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        writer.close()


def test_short_tokens_are_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(api_token="sesame")
    assert "sesame" not in str(refused.value)


def test_each_door_has_its_list_or_the_common_one() -> None:
    settings = load(host="0.0.0.0", allow=["10.0.0.0/8"], allow_sip=["192.0.2.0/24"], allow_api=["2001:db8::/32"])
    for door, address, may in (
        ("api", "10.1.2.3", False),
        ("api", "2001:db8::1", True),
        ("sip", "192.0.2.9", True),
        ("sip", "::ffff:192.0.2.9", True),
        ("sip", "10.1.2.3", False),
        ("events", "10.1.2.3", True),
        ("http_api", "192.0.2.9", False),
        ("sip", "127.0.0.1", True),
        ("sip", "nonsense", False),
    ):
        assert settings.allowed_at(door)(address) is may, (door, address)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        load(host="0.0.0.0", allow_sip=["10.0.0.0/8"])
    each: dict[str, Any] = {f"allow_{door}": ["10.0.0.0/8"] for door in ("api", "events", "http_api", "sip")}
    assert not load(host="0.0.0.0", **each).is_loopback


def test_tokens_and_the_trail_on_the_command_line(tmp_path: Path) -> None:
    folder = ["--data-dir", str(tmp_path / "data")]

    def run(*words: str, status: int = 0, typed: str | None = None) -> str:
        done = CliRunner().invoke(cli, [*words, *folder], input=typed)
        assert done.exit_code == status, done.output
        return done.output

    run("user", "create", "ada", "--admin", "--password-stdin", typed="long enough a word\n")
    secret = run("token", "create", "ADA", "--name", "crm", "--scope", "Allow Recording Search").strip()
    assert secret.startswith("est_")
    run("token", "create", "ada", "--name", "crm", "--scope", "NONSENSE", status=2)
    run("token", "create", "bob", "--name", "crm", "--scope", "all", status=1)
    assert "1  works  ada  crm  RECORDINGSEARCH" in run("token", "list")
    run("token", "revoke", "1")
    run("token", "revoke", "1", status=1)
    assert "1  revoked" in run("token", "list")
    assert "command line  -  created  user ada  admin=yes" in run("audit", "list", "--subject", "user *")
    assert run("audit", "list", "--since", "2999-01-01") == ""
    exported = json.loads(run("audit", "export", "--format", "json", "--act", "revoked token"))
    assert [(one["actor"], one["subject"]) for one in exported] == [("command line", "token 1")]
    target = tmp_path / "trail.csv"
    run("audit", "export", "-o", str(target))
    assert target.read_text().count("audit trail") == 2 and secret not in target.read_text()
    run("audit", "list", "--since", "nonsense", status=2)


def every_route(routes: list[BaseRoute]) -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for route in routes:
        found += every_route(list(route.routes)) if isinstance(route, Mount) and route.routes else [route]
    return found


async def test_every_route_of_the_running_server_is_guarded_or_open_on_purpose(tmp_path: Path) -> None:
    async with a_server(tmp_path / "data") as server:
        routes = every_route(list(server.doors.web.routes))
        assert len(routes) > 25
        unguarded = [
            getattr(route, "path", repr(route))
            for route in routes
            if not (isinstance(route, Mount) and route.path == "/static")
            and getattr(route, "path", "") not in OPEN_PATHS
            and not (isinstance(route, Route) and hasattr(route.endpoint, NEEDS))
        ]
        assert unguarded == []
        async with http_client(base_url=f"http://127.0.0.1:{port_of(server, 'http')}") as http:
            for route in routes:
                path = getattr(route, "path", "")
                if path in OPEN_PATHS or path in ("/static", "/metrics"):
                    continue
                asked = path.replace("{record_id:int}", "1").replace("{number:int}", "1").replace("{flag}", "false")
                for method in sorted(getattr(route, "methods", None) or {"GET"}):
                    answer = await http.request(method, asked, headers={"sec-fetch-site": "same-origin"})
                    assert answer.status_code == 401, (method, path)


async def test_acts_of_clients_are_noted_with_their_address(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data") as server:
        await server.command("IMPORTUSER", ACTION="ADD", USERNAME="Sally", PHONES="3545", PASSWORD="sesame open")
        await server.command("IMPORTUSER", ACTION="MODIFY", USERID=1, EMAIL="s@example.com", PASSWORD="sesame shut")
        await server.command("IMPORTAGENTPHONE", ACTION="ADD", AGENTID=1, PHONEID="900")
        await server.command("IMPORTWORKSTATION", DEVICEID=555, STATIONNAME="PC1", LOCATIONID=1)
        await server.make_recording("1001")
        await server.command("CALLUPDATE", RECORDID=1, USER4="x")
        async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
            wav = "/webAPI.aspx?type=export&requestid=1&uniquefield=recordid&uniqueid=1&media_format=wav"
            assert (await http.get(wav)).headers["content-type"].startswith("audio/")
        await server.command("IMPORTUSER", ACTION="DELETE", USERID=1)
        await server.command("IMPORTUSER", ACTION="DELETE", USERID=1)
        found = await entries(tmp_path / "data")
    acts = [(one.act, one.subject) for one in found]
    assert acts == [
        ("created", "user Sally"),
        ("changed", "user Sally"),
        ("changed", "user Sally"),
        ("changed", "station PC1"),
        ("changed", "recording 1"),
        ("exported", "recording 1"),
        ("deleted", "user Sally"),
    ]
    assert {(one.kind, one.actor, one.address) for one in found} == {("protocol", "xml", "127.0.0.1")}
    assert "sesame" not in repr(found)


async def test_a_token_at_the_old_door_does_what_its_scopes_allow(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await create_user(load(data_dir=data), "ada", "long enough a word", True)
    async with in_process(data, api_token=TOKEN) as server:
        await server.command("IMPORTUSER", ACTION="ADD", USERNAME="Sally", PHONES="1001", TOKEN=TOKEN)
        await server.simulate(calls=1, concurrent=1, length_s=(1.0, 1.0), crm=False, first_device=1001, devices=1)
        await server.until("CALLLIST", b"<RECORDID>", DEVICEID=1001, TOKEN=TOKEN)
        mine = await a_token(data, 1, EXPORT, SEARCH)
        sallys = await a_token(data, 2, SEARCH, CALL_CONTROL)
        async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
            listed = "/webAPI.aspx?type=calllist&requestid=1"
            assert "<RECORDID>1<" in (await http.get(listed, headers=mine)).text
            started = await http.get("/webAPI.aspx?type=callstart&requestid=1&deviceid=5", headers=mine)
            assert "API_INVALID_REQUEST_TYPE" in started.text and "CALLCONTROL" in started.text
            assert "API_INVALID_REQUEST_TYPE" in (await http.get(listed, headers=sallys)).text, "no role of hers"
            wrong = {"authorization": "Bearer est_guess"}
            assert (await http.get(listed, headers=wrong)).status_code == 401
            wav = "/webAPI.aspx?type=export&requestid=1&uniquefield=recordid&uniqueid=1&media_format=wav"
            await http.get(wav, headers=mine)
        (exported,) = await entries(data, act="exported")
        assert (exported.kind, exported.actor, exported.user_id) == ("token", "ada/crm", 1)


SECRETS = ("sesame-open", "wrong-guess-1", "est_wrong-guess-2", "hunter-two", TOKEN.replace(" ", "%20"), TOKEN)


async def test_secrets_reach_no_log_no_answer_and_no_figure(tmp_path: Path) -> None:
    async with running(tmp_path / "data", "--api-port", "0", env={"EARSHOT_API_TOKEN": TOKEN}) as server:
        answers = await speak_secrets(server)
        figures = await server.figures()
        await server.stop()
        log = server.log()
    assert "http_refused_token" in figures and "tcp_refused_token" in figures
    assert "path=/webAPI.aspx" in log and "tcp_token_refused" in log and "web_api_token_refused" in log
    for secret in SECRETS:
        assert secret not in log and secret not in figures
        assert all(secret not in answer for answer in answers), secret


async def speak_secrets(server: LiveServer) -> list[str]:
    """Every way in which a secret may come; returns all answers."""
    export = "type=export&requestid=1&uniquefield=recordid&uniqueid=1&media_format=cav&encrypt=y&password=sesame-open"
    answers = []
    async with http_client(base_url=f"http://127.0.0.1:{server.http_port}") as http:
        for path in (
            f"/webAPI.aspx?{export}&token=wrong-guess-1",
            f"/webAPI.aspx?{export}&token={TOKEN}",
            f"/webAPI.aspx?{export}&PassWord=hunter-two&%74oken={TOKEN}",
            f"/WEBAPI.ASPX?type=importuser&requestid=1&action=add&username=u&password=hunter-two&token={TOKEN}",
            "/webAPI.aspx?type=nonsense&requestid=1&apitoken=wrong-guess-1",
            "/recordings?password=hunter-two&token=wrong-guess-1",
        ):
            answers.append((await http.get(path, headers={"accept": "text/html"})).text)
        asked = await http.get("/recordings?password=hunter-two", headers={"accept": "text/html"})
        await http.get(asked.headers["location"])
        answers.append((await http.post("/webAPI.aspx", content=f"{export}&token=wrong-guess-1")).text)
        bearer = {"authorization": "Bearer est_wrong-guess-2"}
        answers.append((await http.get("/metrics", headers=bearer)).text)
    for token in ("wrong-guess-1", TOKEN):
        answer = await server.command("IMPORTUSER", ACTION="NONSENSE", PASSWORD="sesame-open", TOKEN=token)
        answers.append(answer.decode())
    answers.append((await server.send(f"<REQUEST><TYPE>TEST<TOKEN>{TOKEN}</TOKEN></REQUEST>\r\n")).decode())
    return answers
