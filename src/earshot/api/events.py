"""The hub of events: everything that happens is told here, numbered, and passed on to whoever listens.

What does not live here: sockets (listeners, web, services), and what the types mean (`protocol.events`). The one rule:
telling costs next to nothing when nobody listens and never waits: an event is written out when somebody first asks for
its text, once for everybody, and listeners get events by the batch.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import orjson
import structlog

from earshot.actor import Visibility
from earshot.protocol.events import EVENT_TYPES, write_event
from earshot.protocol.times import legacy_time

log = structlog.get_logger(__name__)

KEPT: Final = 20_000
"""How many events are kept for those who come back."""
PACE_S: Final = 0.05
"""The least time between two batches. The first event after a pause goes out at once."""
MICROSECONDS: Final = 1_000_000
SAFETY_US: Final = 1_000_000
"""Numbers begin so long after the last one that a crashed process can have given (its journal tells nearly)."""

Fields = Sequence[tuple[str, str]]
Listener = Callable[[list["Event"]], None]


class Event:
    """One thing that happened. `number` only grows, also over restarts; `at_us` is microseconds since the epoch.

    What it says is made when it is first asked for, and kept: `fields` in the words of the protocol, `xml` the line of
    the event port, `json` the document of server-sent events and webhooks.
    """

    __slots__ = ("_fields", "_json", "_make", "_xml", "_zone", "at_us", "number", "type")

    def __init__(self, number: int, kind: str, at_us: int, make: Callable[[], Fields], zone: tzinfo) -> None:
        self.number = number
        self.type = kind
        self.at_us = at_us
        self._make = make
        self._zone = zone
        self._fields: Fields | None = None
        self._xml = b""
        self._json = b""

    @property
    def fields(self) -> Fields:
        """Names and values."""
        if self._fields is None:
            self._fields = self._make()
        return self._fields

    @property
    def xml(self) -> bytes:
        """The document of the event port, one line with its CRLF."""
        if not self._xml:
            moment = datetime.fromtimestamp(self.at_us / MICROSECONDS, self._zone)
            self._xml = write_event(self.type, legacy_time(moment), self.fields, self.number)
        return self._xml

    @property
    def json(self) -> bytes:
        """`{"id": ..., "type": ..., "time": ..., "fields": {...}}` in one line; the time is UTC (RFC 3339)."""
        if not self._json:
            moment = datetime.fromtimestamp(self.at_us / MICROSECONDS, UTC)
            time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            values = {"id": self.number, "type": self.type, "time": time, "fields": dict(self.fields)}
            self._json = orjson.dumps(values)
        return self._json

    def is_shown_to(self, sees: Visibility) -> bool:
        """Whether somebody who sees those recordings may hear of this. An event about no device, agent, group or gate
        is for those who see everything."""
        if sees.everything:
            return True
        values = dict(self.fields)
        agent = values.get("AGENTID", "")
        return sees.shows(
            agent_id=int(agent) if agent.isdecimal() else None,
            device_id=values.get("DEVICEID", ""),
            device_alias=values.get("DEVICEALIAS", ""),
            group=values.get("GROUP", ""),
            gate=values.get("GATE", ""),
        )


@dataclass(frozen=True, slots=True)
class Missed:
    """What happened since an event. `complete` is False when older ones are not kept any more, or when the number is
    none that was ever given; `events` is empty then."""

    complete: bool
    events: list[Event] = field(default_factory=list)


class Hub:
    """Takes events and hands them on. To be used from the event loop's thread only.

    `now_us` is journal time; `not_before_us` the last journal time of the process before; `call_later(seconds, work)`
    that of the event loop.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        call_later: Callable[[float, Callable[[], None]], Any],
        *,
        zone: tzinfo = UTC,
        not_before_us: int = 0,
        kept: int = KEPT,
        pace_s: float = PACE_S,
    ) -> None:
        self._now_us = now_us
        self._call_later = call_later
        self._zone = zone
        self._pace_s = pace_s
        self._number = self._forgotten = max(now_us(), not_before_us + SAFETY_US)
        self._ring: deque[Event] = deque()
        self._kept = kept
        self._listeners: list[Listener] = []
        self._waiting: list[Event] = []
        self._due = False
        self._flushed_us = 0
        self._strange: set[str] = set()

    @property
    def last_number(self) -> int:
        """The number of the newest event, or where numbers began."""
        return self._number

    def publish(self, kind: str, fields: Fields) -> None:
        """Tell that something of type `kind` happened (`Context.publish`). Never raises, never waits."""
        self.tell(kind, lambda: fields)

    def tell(self, kind: str, make: Callable[[], Fields], at_us: int | None = None) -> None:
        """The same for fields that are costly to make: `make` is called only when somebody wants them."""
        now_us = self._now_us()
        if kind not in EVENT_TYPES and kind not in self._strange:
            self._strange.add(kind)
            log.error("event_type_not_in_the_table", type=kind)
        self._number = number = max(self._number + 1, now_us)
        event = Event(number, kind, now_us if at_us is None else at_us, make, self._zone)
        ring = self._ring
        ring.append(event)
        if len(ring) > self._kept:
            self._forgotten = ring.popleft().number
        if self._listeners:
            self._waiting.append(event)
            if not self._due:
                self._due = True
                rest_s = self._pace_s - (now_us - self._flushed_us) / MICROSECONDS
                self._call_later(min(max(rest_s, 0.0), self._pace_s), self.flush)

    def flush(self) -> None:
        """Hand on what waits now, instead of a little later."""
        self._due = False
        events, self._waiting = self._waiting, []
        if not events:
            return
        self._flushed_us = self._now_us()
        for listener in list(self._listeners):
            try:
                listener(events)
            except Exception:
                log.exception("event_listener_failed")

    def listen(self, listener: Listener) -> Callable[[], None]:
        """From now on `listener` gets every batch; it must neither wait nor change it. Returns what ends that.

        What happened before this is not in its first batch.
        """
        self.flush()
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def since(self, number: int) -> Missed:
        """The events after `number`, oldest first."""
        if not self._forgotten <= number <= self._number:
            return Missed(False)
        newer: list[Event] = []
        for event in reversed(self._ring):
            if event.number <= number:
                break
            newer.append(event)
        newer.reverse()
        return Missed(True, newer)
