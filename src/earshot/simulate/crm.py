"""The CRM beside the simulated phones: it speaks the XML protocol over TCP, as the programs of customers do.

What lives here: requests as XML, one connection with answers in the order of the requests, the demo users and stations.
What does not: when a call is announced (`earshot.simulate.command`). The one rule: written from the specification, not
with the server's tables.
"""

import asyncio
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from earshot.simulate.plan import PlannedCall

ANSWER_LIMIT = 8 * 1024 * 1024
OWN_INSTANCE = "sim-"
"""What the CALLINSTANCE of every call of a simulation begins with: those bring their own sound."""
DEMO_AGENTS = (
    ("Sally", "Smith"),
    ("Tom", "Becker"),
    ("Priya", "Raman"),
    ("Oliver", "Grant"),
    ("Grace", "Lim"),
)
"""Who sits at the first devices: the agents of the conversations, in the order of `earshot.simulate.speech`."""


class CrmFailure(Exception):
    """The API cannot be reached, closed the connection, or did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A RESULT: RESULTTYPE, RESULTCODE, RESULTMSG, and the document as it came."""

    type: str
    code: str
    message: str
    document: str

    @property
    def fine(self) -> bool:
        """True for API_OK."""
        return self.type == "API_OK"


def document(command: str, request_id: int, values: Mapping[str, str]) -> bytes:
    """One request on one line, ended by CRLF; empty values are left out."""
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items() if value)
    return f"<REQUEST><TYPE>{command}</TYPE><REQUESTID>{request_id}</REQUESTID>{inside}</REQUEST>\r\n".encode()


def read_answer(text: str) -> Answer:
    """An answer as a value. Raises CrmFailure if it is no RESULT."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as failure:
        raise CrmFailure(f"not an answer: {text[:120]!r}") from failure
    if root.tag != "RESULT":
        raise CrmFailure(f"not a RESULT: {root.tag}")
    found = {name: (root.findtext(name) or "").strip() for name in ("RESULTTYPE", "RESULTCODE", "RESULTMSG")}
    return Answer(type=found["RESULTTYPE"], code=found["RESULTCODE"], message=found["RESULTMSG"], document=text)


class CrmClient:
    """One connection to the API port, opened when it is needed. Requests may be sent by many tasks at once."""

    def __init__(self, host: str, port: int, timeout_s: float = 10.0) -> None:
        self._peer = (host, port)
        self._timeout_s = timeout_s
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[str]] = deque()
        self._last_id = 0
        self.sent = 0
        self.refused = 0

    async def send(self, command: str, values: Mapping[str, str]) -> Answer:
        """Send a request and wait for its answer. Raises CrmFailure."""
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._last_id += 1
        request_id = self._last_id
        try:
            async with asyncio.timeout(self._timeout_s):
                writer = await self._connected()
                self._waiting.append(answered)
                writer.write(document(command, request_id, values))
                self.sent += 1
                await writer.drain()
                answer = read_answer(await answered)
        except TimeoutError:
            # Answers come in order: after one that is missing nothing on this connection can be told apart.
            await self.close()
            raise CrmFailure(f"no answer to {command} within {self._timeout_s:g} s") from None
        except OSError as failure:
            raise CrmFailure(f"{self._peer[0]}:{self._peer[1]}: {failure}") from failure
        self.refused += not answer.fine
        return answer

    async def close(self) -> None:
        """Close the connection; requests that still wait fail."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                reader, self._writer = await asyncio.open_connection(*self._peer, limit=ANSWER_LIMIT)
                self._reading = asyncio.get_running_loop().create_task(
                    self._read(reader, self._writer), name="simulate-crm"
                )
            return self._writer

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                text = line.decode("utf-8", "replace").strip("\r\n\0 ")
                if text and self._waiting:
                    waiting = self._waiting.popleft()
                    if not waiting.done():
                        waiting.set_result(text)
        except (OSError, ValueError):
            # A reset or an endless line: in both cases this connection is of no more use.
            pass
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_exception(CrmFailure("the API closed the connection"))
            self._waiting.clear()


def instance_of(call: PlannedCall, run: str) -> str:
    """The CALLINSTANCE of a simulated call: marked as ours, different in every run."""
    return f"{OWN_INSTANCE}{run}-{call.number}"


def is_own(instance: str) -> bool:
    """True if a simulation made up this CALLINSTANCE."""
    return instance.startswith(OWN_INSTANCE)


def start_values(call: PlannedCall, run: str) -> dict[str, str]:
    """What the CRM knows when the call begins (CALLSTART)."""
    return {
        "DEVICEID": call.device,
        "CALLINSTANCE": instance_of(call, run),
        "GROUP": call.group,
        "GATE": call.gate,
        "ANI": call.caller,
        "DNIS": call.dialled,
        "CALLDIRECTION": "I" if call.inbound else "O",
        "CALLID": f"{run}-{call.number}",
        "USER1": call.level,
        "USER2": call.case_number,
        "USER3": call.customer_name,
    }


def update_values(call: PlannedCall, run: str) -> dict[str, str]:
    """What the agent finds out during the call (CALLUPDATE)."""
    return {"DEVICEID": call.device, "CALLINSTANCE": instance_of(call, run), "USER4": call.topic, "USER5": "Solved"}


def stop_values(call: PlannedCall, run: str) -> dict[str, str]:
    """The end of the call (CALLSTOP)."""
    return {"DEVICEID": call.device, "CALLINSTANCE": instance_of(call, run)}


def demo_requests(first_device: int, devices: int) -> list[tuple[str, dict[str, str]]]:
    """IMPORTUSER and IMPORTWORKSTATION for the demo agents, one to each of the first devices."""
    requests: list[tuple[str, dict[str, str]]] = []
    for number, (first, last) in enumerate(DEMO_AGENTS[:devices]):
        device = str(first_device + number)
        username = f"{first}.{last}".lower()
        user = {
            "ACTION": "ADD",
            "USERNAME": username,
            "EMPLOYEE_ID": str(5_000 + number),
            "FIRST_NAME": first,
            "LAST_NAME": last,
            "STATUS": "A",
            "SYS_USER": username,
            "DOMAIN": "DEMO",
            "EMAIL": f"{username}@demo.example",
            "CRM_USER": f"{first[0]}{last}".lower(),
            "SITEID": "1",
            "PHONES": device,
        }
        requests.append(("IMPORTUSER", user))
        station = {"STATIONNAME": f"DESK{number + 1:02}", "DEVICEID": device, "LOCATIONID": "1"}
        requests.append(("IMPORTWORKSTATION", station))
    return requests
