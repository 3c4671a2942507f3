"""`--follow`: calls that somebody announces by the API get the sound of a simulated call.

What lives here: the events port read line by line, and the decision which event needs a call. What does not: placing
the call (`earshot.simulate.command`). The one rule: an event that a simulation caused itself never causes a call.

How an own event is told from a foreign one, since the recorder announces both alike:

1. CALLINSTANCE begins with `sim-`: the CRM of a simulation made it up, and that call brings its own sound. This holds
   across processes.
2. The event says who announced the call (ANNOUNCEDBY) and the API is not among them, or the phone system is: that call
   has sound.
3. The device has a simulated call of this process, or had its INVITE less than two seconds ago, under another
   CALLINSTANCE: the event is the echo of our own INVITE.
"""

import asyncio
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass

from earshot.simulate.crm import is_own

ECHO_S = 2.0
RETRY_S = 1.0
LINE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """A CALLSTART or CALLSTOP of the events port."""

    type: str
    device: str
    instance: str
    ani: str = ""
    announced_by: frozenset[str] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """Device and call instance: what tells calls apart."""
        return self.device, self.instance


@dataclass(frozen=True, slots=True)
class GiveSound:
    """Place a call for the device of this event."""

    event: CallEvent


@dataclass(frozen=True, slots=True)
class EndSound:
    """End the call that was placed for this device and call instance."""

    key: tuple[str, str]


Decision = GiveSound | EndSound


def read_event(line: str) -> CallEvent | None:
    """An event as a value; None if it is not a document, or not about the start or end of a call."""
    try:
        root = ElementTree.fromstring(line)
    except ElementTree.ParseError:
        return None
    values = {child.tag.upper(): (child.text or "").strip() for child in root}
    if root.tag.upper() != "EVENT" or values.get("TYPE", "").upper() not in ("CALLSTART", "CALLSTOP"):
        return None
    if not values.get("DEVICEID"):
        return None
    return CallEvent(
        type=values["TYPE"].upper(),
        device=values["DEVICEID"],
        instance=values.get("CALLINSTANCE", ""),
        ani=values.get("ANI", ""),
        announced_by=frozenset(values.get("ANNOUNCEDBY", "").lower().replace(",", " ").split()),
    )


class Follower:
    """The decision, without any socket: which event asks for a call, which one ends it."""

    def __init__(self) -> None:
        self._sounding: set[tuple[str, str]] = set()
        self._invited: dict[str, float] = {}
        self._busy: dict[str, int] = {}

    def occupied(self, device: str) -> None:
        """The simulation begins a call of its own at `device`."""
        self._busy[device] = self._busy.get(device, 0) + 1

    def released(self, device: str, now: float) -> None:
        """That call is over; its echoes may still be on their way."""
        left = self._busy.get(device, 0) - 1
        if left > 0:
            self._busy[device] = left
        else:
            self._busy.pop(device, None)
        self._invited[device] = now

    def ended(self, key: tuple[str, str]) -> None:
        """A call given to an announced one is over for another reason than CALLSTOP (refused, ended by the peer)."""
        self._sounding.discard(key)

    def decide(self, event: CallEvent, now: float) -> Decision | None:
        """What an event asks for; `now` is monotonic seconds."""
        if event.type == "CALLSTOP":
            if event.key not in self._sounding:
                return None
            self._sounding.discard(event.key)
            self._invited.pop(event.device, None)
            return EndSound(event.key)
        if event.key in self._sounding or self._is_own(event, now):
            return None
        self._sounding.add(event.key)
        self._invited[event.device] = now
        return GiveSound(event)

    def _is_own(self, event: CallEvent, now: float) -> bool:
        if is_own(event.instance):
            return True
        if event.announced_by:
            return "api" not in event.announced_by or "siprec" in event.announced_by
        echo = now - self._invited.get(event.device, float("-inf")) < ECHO_S
        return echo or event.device in self._busy


async def read_events(host: str, port: int, act: Callable[[CallEvent], None], say: Callable[[str], None]) -> None:
    """Read the events port for ever and hand each call event to `act`; connects again when the connection is lost."""
    said = ""
    while True:
        now = await _read_once(host, port, act, say if not said else _say_nothing)
        if now != said:
            say(f"events port {host}:{port}: {now}; trying again every {RETRY_S:g} s")
        said = now
        await asyncio.sleep(RETRY_S)


def _say_nothing(line: str) -> None:
    """For connections after the first: a line at each would drown the calls."""


async def _read_once(host: str, port: int, act: Callable[[CallEvent], None], say: Callable[[str], None]) -> str:
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=LINE_LIMIT)
    except OSError as failure:
        return str(failure)
    say(f"following the calls announced at {host}:{port}")
    try:
        while line := await reader.readline():
            event = read_event(line.decode("utf-8", "replace").strip("\r\n\0 "))
            if event is not None:
                act(event)
    except (OSError, ValueError) as failure:
        return str(failure)
    finally:
        writer.close()
    return "closed by the recorder"
