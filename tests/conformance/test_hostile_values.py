"""Every wrong value of every parameter of every command, made from the table, to a server with data in it, by any door.

Each answer is one that the reference lists; the connection lives; nothing that was refused changed a row or a call; the
log shows no failure; and `earshot check` finds nothing at the end.
"""

import asyncio
import io
import re
import socket
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.hostile import BOMBS, LONG, SHORT, Fields, bomb, document, documented, doubled, variants
from tests.faults.evidence import problems
from tests.plain_http import NO_TLS
from tests.servers import LiveServer

from earshot.protocol.command import Command
from earshot.protocol.commands import COMMANDS, FAMILIES
from earshot.protocol.parameters import Parameter
from earshot.protocol.results import CODES, OK

DESKTOPS = '["ceddy\\\\ceddy"]'
DATA: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "IMPORTUSER",
        {"ACTION": "ADD", "USERNAME": "jsmith", "FIRSTNAME": "John", "LASTNAME": "Smith", "SYS_USER": "smith.1"}
        | {"CRM_USER": "crmjohn", "PHONES": "555"},
    ),
    ("IMPORTUSER", {"ACTION": "ADD", "USERNAME": "mmoe", "PHONES": "556"}),
    ("IMPORTWORKSTATION", {"DEVICEID": "555", "STATIONNAME": "COMPUTER1"}),
    ("ADDGROUP", {"GROUPNAME": "Sales"}),
    ("MODIFYROLE", {"ACTION": "ADD", "ROLENAME": "Supervisor"}),
)
BACKGROUND = {"calls", "retention", "retention_marks", "screens", "screen_segments", "preferences", "sqlite_sequence"}
"""Tables that fill by themselves, as calls and screen sessions end and rounds of work are done."""
SHARE = 4
"""Of the parameters of a kind, the first of a command gets every value, each other one every fourth."""
ALIKE = re.compile(r"USER([2-9]|1[0-4])")
LABEL = re.compile(rb"<RESULTTYPE>([A-Z_]+)</RESULTTYPE><RESULTCODE>(\d+)</RESULTCODE>")


class Victim:
    """A server process with data in it, one connection by each door, and its database from outside."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._runner = asyncio.Runner()
        settings = {"EARSHOT_CHANNELS": "50", "EARSHOT_SIMULATED_DESKTOPS": DESKTOPS}
        self.server = LiveServer(data_dir, env=settings)

    def start(self) -> None:
        self._runner.run(self._prepare())
        self._connect()
        base = f"http://127.0.0.1:{self.server.http_port}"
        self.http = httpx.Client(base_url=base, timeout=60, trust_env=False, verify=NO_TLS)
        self._database = sqlite3.connect(self.data_dir / "earshot.db", isolation_level=None)
        self._version = -1
        self._rows: dict[str, list[tuple[object, ...]]] = {}
        self._read = 0
        self.changed()

    async def _prepare(self) -> None:
        await self.server.start()
        for kind, parameters in DATA:
            assert b">API_OK<" in await self.server.command(kind, **parameters)
        await self.server.make_recording("555")
        await self.server.command("CALLSTART", DEVICEID="555", DEVICEALIAS="3545")

    def stop(self) -> int:
        """End everything; returns the exit status of the server."""
        self._database.close()
        self._stream.close()
        self._socket.close()
        self.http.close()
        try:
            return self._runner.run(self.server.stop())
        finally:
            self._runner.run(self.server.kill())
            self._runner.close()

    def failures(self) -> list[str]:
        """What the log says since this was asked last that must not be there."""
        new = self.server.log()[self._read :]
        self._read += len(new)
        return [line for line in new.splitlines() if "Traceback" in line or "[error" in line or "[critical" in line]

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.server.api_port), timeout=60)
        self._stream = self._socket.makefile("rb")

    def over_tcp(self, data: bytes) -> list[bytes]:
        """The answers to `data`: all lines before that of a TEST sent after it, on the one connection there is."""
        self._socket.sendall(data + b"\r\n<REQUEST><TYPE>TEST</TYPE><REQUESTID>sentinel</REQUESTID></REQUEST>\r\n")
        found = []
        while b"<REQUESTID>sentinel<" not in (line := self._stream.readline()):
            assert line.endswith(b"</RESULT>\r\n"), (data[:200], line[:200])
            found.append(line)
        return found

    def over_http(self, command: str, fields: Fields) -> httpx.Response:
        pairs = [(b"type", command.encode()), (b"requestid", b"1")]
        pairs += [(tag.encode(), text.encode("utf-8", "surrogatepass")) for tag, text in fields]
        body = "&".join(f"{quote_from_bytes(tag)}={quote_from_bytes(text)}" for tag, text in pairs).encode()
        if len(body) < 8_000:
            return self.http.get(f"/webAPI.aspx?{body.decode()}")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.http.post("/webAPI.aspx", content=body, headers=form)

    def changed(self) -> list[str]:
        """The tables that are not as they were when this was asked last."""
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return []
        self._version = version
        names = [name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: self._database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
        before, self._rows = self._rows, rows
        return [name for name in names if name not in BACKGROUND and before.get(name) != rows[name]]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("hostile")
    one = Victim(folder / "data")
    one.start()
    yield one
    assert one.stop() == 0
    assert asyncio.run(problems(one.data_dir)) == []
    assert [path.name for path in folder.iterdir() if path.suffix != ".log"] == ["data"]


def check(victim: Victim, command: Command, answers: list[bytes], what: object) -> None:
    assert answers, what
    labels = set()
    for answer in answers:
        found = LABEL.search(answer)
        assert found is not None, (what, answer[:300])
        label = found.group(1).decode()
        assert CODES[label] == int(found.group(2))
        assert label in documented(command), (what, answer[:300])
        assert b"Traceback" not in answer
        labels.add(label)
    changed = victim.changed()
    assert OK in labels or not changed, (what, labels, changed)


def ask(victim: Victim, command: Command, fields: Fields) -> None:
    """By each door that the command has; what comes back as media is a success."""
    short = str([(tag, text[:60]) for tag, text in fields])
    if "tcp" in command.doors:
        check(victim, command, victim.over_tcp(document(command.name, "1", fields)), ("tcp", command.name, short))
    response = victim.over_http(command.name, fields)
    what = ("http", command.name, short)
    if response.headers["content-type"].startswith("text/xml") and response.content.startswith(b"<RESULT>"):
        assert response.status_code == 200, what
        check(victim, command, [response.content], what)
    else:
        assert response.status_code in (200, 400, 413, 414), (what, response.status_code)
        assert response.status_code != 200 or command.family == "exports", what
        assert b"Traceback" not in response.content
        victim.changed()


def parameters_of(command: Command) -> list[Parameter]:
    """All, but of the fifteen free fields the first and the last."""
    return [parameter for parameter in command.parameters if not ALIKE.fullmatch(parameter.name)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_of_every_parameter(name: str, victim: Victim) -> None:
    command = COMMANDS[name]
    victim.changed()
    kinds: set[str] = set()
    for number, parameter in enumerate(parameters_of(command)):
        values = SHORT[number % SHARE :: SHARE] if parameter.kind in kinds else SHORT
        kinds.add(parameter.kind)
        for value in values:
            for fields in variants(command, parameter, value):
                ask(victim, command, fields)
        for fields in doubled(command, parameter):
            ask(victim, command, fields)
    for parameter in command.parameters[:1] + command.parameters[-1:]:
        for value in LONG:
            for fields in variants(command, parameter, value):
                ask(victim, command, fields)
    for parameter in command.parameters[:1]:
        for pattern in BOMBS:
            check(victim, command, victim.over_tcp(bomb(pattern, command, parameter)), pattern)
            posted = victim.http.post(
                "/webAPI.aspx", content=bomb(pattern, command, parameter), headers={"Content-Type": "text/xml"}
            )
            assert posted.status_code == 200
            assert b">/root" not in posted.content and b"root:" not in posted.content
    assert victim.failures() == []


@pytest.mark.parametrize("value", [value for value in SHORT if value.strip()], ids=ascii)
def test_names_of_files_and_headers(value: str, victim: Victim) -> None:
    """What a hostile device is called in a ZIP and in a header: nothing leads out, nothing is smuggled in."""
    update = (("RECORDID", "1"), ("DEVICEID", value), ("DEVICEALIAS", value), ("CALLID", value))
    ask(victim, COMMANDS["CALLUPDATE"], update)
    several = victim.over_http("MULTIEXPORT", (("IDENT", "1"), ("MEDIA_FORMAT", "WAV")))
    single = victim.over_http("EXPORT", (("UNIQUEFIELD", "RECORDID"), ("UNIQUEID", "1"), ("MEDIA_FORMAT", "WAV")))
    for response in (several, single):
        assert response.status_code == 200
        assert "set-cookie" not in response.headers
        assert not re.search(r"[\x00-\x1f\x7f/\\]", response.headers["content-disposition"])
    with zipfile.ZipFile(io.BytesIO(several.content)) as archive:
        for entry in archive.namelist():
            assert not re.search(r"[\x00-\x1f\\:]|\.\.", entry) and not entry.startswith("/"), entry
    assert victim.failures() == []
    victim.changed()


REQUESTS = st.sampled_from([command for family in FAMILIES.values() for command in family]).flatmap(
    lambda command: st.tuples(
        st.just(command),
        st.lists(
            st.tuples(
                st.sampled_from([*command.spelt, "NOSUCH", "TYPE", "REQUESTID"]),
                st.sampled_from(["1", "555", "Y", "ADD", "MODIFY", "DELETE", "LIST", "WAV", "CAV", *SHORT])
                | st.text(max_size=40),
            ),
            max_size=8,
        ),
    )
)


@given(REQUESTS)
def test_any_request_gets_an_answer(victim: Victim, request: tuple[Command, list[tuple[str, str]]]) -> None:
    command, fields = request
    kept = tuple((tag, text) for tag, text in fields if tag not in ("TYPE", "REQUESTID"))
    ask(victim, command, kept)
    odd = document(command.name, "1", tuple(fields))
    for answer in victim.over_tcp(odd):
        found = LABEL.search(answer)
        assert found is not None and found.group(1) != b"API_ERROR_PROCESSING_MESSAGE"
    victim.changed()
