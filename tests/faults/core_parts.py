"""A recorder core without sockets and files, under a clock that a test moves: sound is what the test says was heard."""

from typing import Any

from earshot.clock import FakeClock
from earshot.core.recorder import Recorder
from earshot.core.sound import NoFreePort
from earshot.engine.inputs import LegFacts, SessionClosed, SessionOpened
from earshot.engine.model import Call, State
from earshot.journal.timeline import JournalTime


class EventList:
    """The journal's events in memory."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def append_event(self, event: dict[str, Any]) -> int:
        self.events.append(event)
        return len(self.events)


class ToldSound:
    """A receiver whose `heard` a test fills in: leg and journal time (µs) of its last packet."""

    def __init__(self) -> None:
        self.heard: dict[int, int] = {}
        self.masked: set[int] = set()
        self._ports: dict[int, int] = {}

    def open_leg(self, leg: int, port: int | None = None) -> int:
        if port in self._ports.values():
            raise NoFreePort(str(port))
        self._ports[leg] = port or 20000 + 2 * len(self._ports)
        return self._ports[leg]

    def keep(self, leg: int, wanted: bool) -> None:
        pass

    def mask(self, leg: int, masked: bool, since_us: int = 0) -> None:
        (self.masked.add if masked else self.masked.discard)(leg)

    def move_leg(self, old: int, new: int) -> None:
        self._ports[new] = self._ports.pop(old)

    def is_open(self, leg: int) -> bool:
        return leg in self._ports

    def close_leg(self, leg: int) -> None:
        self._ports.pop(leg, None)

    def packets(self, leg: int) -> int:
        return int(leg in self.heard)

    def last_heard_us(self, leg: int) -> int:
        return self.heard.get(leg, 0)

    def free_ports(self) -> int:
        return 100


class Core:
    """The parts together; `session` opens one with a leg on each side."""

    def __init__(self, state: State | None = None, clock: FakeClock | None = None, channels: int = 5) -> None:
        self.clock = clock or FakeClock()
        self.time = JournalTime(self.clock)
        self.sound = ToldSound()
        self.recorder = Recorder(
            state or State(),
            EventList(),
            self.sound,
            now_us=self.time.now_us,
            channels=channels,
            name_recording=lambda call, part: (f"{call.key}-{part}.wav", f"{call.key}-{part}.wav"),
        )

    def session(self, key: str, held: bool = False, device: str = "") -> Call:
        """A session of the device `key`, unless another is named; returns its call."""
        legs = tuple(
            LegFacts(leg=self.recorder.next_leg(), port=0, side=side, held=held) for side in ("agent", "other")
        )
        for facts in legs:
            self.sound.open_leg(facts.leg)
        self.recorder.apply(SessionOpened(session=key, device_id=device or key, legs=legs))
        return next(call for call in self.recorder.state.calls.values() if key in call.sessions)

    def hear(self, key: str) -> None:
        """Packets of the session arrive now."""
        for facts in self.recorder.state.sessions[key].legs:
            self.sound.heard[facts.leg] = self.time.now_us()

    def close(self, key: str, why: str = "bye") -> None:
        """The session ends."""
        self.recorder.apply(SessionClosed(session=key, why=why))
