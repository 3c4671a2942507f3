"""What the benchmark of the XML port asks: TEST, and CALLSTART with all that a contact centre knows, in three courses.

A CALLSTART of a device and instance that is in a call ends that call and begins another. So CALLSTART is measured with
calls of devices that are free, none of them asked for twice; what restarts its device, and what is stopped again, are
kinds of their own.

Not here: who sends it (wire.py) and what is measured (api.py). The one rule: requests differ as those of many phones
do, and what one kind begins it ends, or says how.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

DEVICES = 320
NEW_CALLS = 25_600
FIRST_DEVICE = 4000
DEPTH = 32
"""How many requests are under way on a pipelined connection; all counts are multiples of it."""


def request(kind: str, fields: dict[str, str]) -> bytes:
    """One request as a client of the protocol writes it."""
    inner = "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields.items())
    return f"<REQUEST><TYPE>{kind}</TYPE><REQUESTID>1000</REQUESTID>{inner}</REQUEST>\r\n".encode()


def call_fields(device: int, call: int) -> dict[str, str]:
    """A CALLSTART with everything a contact centre knows: 30 fields."""
    return {
        "DEVICEID": str(FIRST_DEVICE + device),
        "DEVICEALIAS": str(7000 + device),
        "STATIONNAME": f"DESK-{device:04d}",
        "SYS_USER": f"agent{device:04d}",
        "CRM_USER": f"crm-{device:04d}",
        "CALLINSTANCE": "1",
        "GROUP": "Sales",
        "GATE": "Gold Queue",
        "ANI": f"614555{call:04d}",
        "DNIS": "8005551000",
        **{f"USER{number}": f"Customer value {number:02d} of {call:05d}" for number in range(1, 16)},
        "CALLID": f"00001-{call:08d}-1700000000",
        "PRIORITY": "5",
        "CALLDIRECTION": "I",
        "MAXRECORDTIME": "3600",
        "CTIINITIATED": "Y",
    }


def tests() -> Iterator[bytes]:
    """TEST, for ever."""
    while True:
        yield request("TEST", {})


def new_calls() -> Iterator[bytes]:
    """CALLSTART, each of another device: calls that begin and run on."""
    for device in range(NEW_CALLS):
        yield request("CALLSTART", call_fields(DEVICES + device, device))


def ends() -> Iterator[bytes]:
    """CALLSTOP of all `new_calls`."""
    for device in range(NEW_CALLS):
        yield request("CALLSTOP", {"DEVICEID": str(FIRST_DEVICE + DEVICES + device)})


def restarts() -> Iterator[bytes]:
    """CALLSTART of one device after the other: each ends the call before it on the same device."""
    while True:
        for device in range(DEVICES):
            yield request("CALLSTART", call_fields(device, device))


def starts_and_stops() -> Iterator[bytes]:
    """CALLSTART and CALLSTOP of one device after the other."""
    while True:
        for device in range(DEVICES):
            yield request("CALLSTART", call_fields(device, device))
            yield request("CALLSTOP", {"DEVICEID": str(FIRST_DEVICE + device), "CALLINSTANCE": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is asked: `make` gives the requests, which repeat after `count`. With `undo`, which is sent after a window,
    none of them is sent twice in it."""

    name: str
    make: Callable[[], Iterator[bytes]]
    count: int
    goal: float | None = None
    undo: Callable[[], Iterator[bytes]] | None = None

    @property
    def requests(self) -> list[bytes]:
        """All of them, once."""
        return list(islice(self.make(), self.count))


TEST = Kind(name="TEST", make=tests, count=100 * DEPTH, goal=0.6)
KINDS = (
    TEST,
    Kind(name="CALLSTART", make=new_calls, count=NEW_CALLS, goal=0.15, undo=ends),
    Kind(name="CALLSTART, restarts", make=restarts, count=DEVICES),
    Kind(name="CALLSTART, CALLSTOP", make=starts_and_stops, count=2 * DEVICES),
)
"""Goals: least share of the echo's requests per second, on 100 connections."""
