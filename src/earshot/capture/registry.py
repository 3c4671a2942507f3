"""What desktop agents last reported, and which desktop is whose. In memory: agents say hello again after a restart.

No sockets here; a transport calls `connected`, `reported` and `disconnected`. The one rule: what agents say is bounded,
in length and in number, so that none of them can fill this machine's memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.ports.capture import AWAY, Desktop, DesktopLink, Hello, Order, Report, Sought, StatusSeen, WindowSeen

log = structlog.get_logger(__name__)

MOST_DESKTOPS = 10_000
LONGEST = 255
LONGEST_TITLE = 1_000


@dataclass(slots=True)
class _Entry:
    seen: Desktop
    link: DesktopLink | None
    status: str = "AVAILABLE"


class Registry:
    """The port `earshot.ports.capture.Desktops`. A desktop of which nothing was heard for `away_after_s` is AWAY."""

    def __init__(self, clock: Clock, away_after_s: float = 90.0) -> None:
        self._clock = clock
        self._away_after_s = away_after_s
        self._entries: dict[str, _Entry] = {}
        self._on_hello: Callable[[str, Hello], None] = lambda desktop, hello: None
        self._on_report: Callable[[str, Report], None] = lambda desktop, report: None
        self.on_state: Callable[[Desktop], None] = lambda seen: None
        """Told each time that a desktop connects, disconnects, or reports another window or status."""

    def listen(self, on_hello: Callable[[str, Hello], None], on_report: Callable[[str, Report], None]) -> None:
        """See `Desktops.listen`."""
        self._on_hello, self._on_report = on_hello, on_report

    # --- what agents say ----------------------------------------------------------------------------------------------

    def connected(self, hello: Hello, link: DesktopLink) -> str:
        """See `Desktops.connected`."""
        texts = (hello.computer, hello.username, hello.domain, hello.address, hello.version)
        if not hello.computer.strip() or any(len(text) > LONGEST for text in texts):
            raise BadInput("a desktop agent must name its computer, and nothing longer than 255 characters")
        desktop = f"{hello.computer}\\{hello.username}".casefold()
        known = self._entries.pop(desktop, None)
        seen = Desktop(
            computer=hello.computer,
            username=hello.username,
            domain=hello.domain,
            address=hello.address,
            version=hello.version,
            title=known.seen.title if known else "",
            updated_at=self._clock.now(),
        )
        self._entries[desktop] = _Entry(seen, link)
        while len(self._entries) > MOST_DESKTOPS:
            forgotten = next((name for name, entry in self._entries.items() if entry.link is None), desktop)
            del self._entries[forgotten]
            if forgotten == desktop:
                raise BadInput(f"more than {MOST_DESKTOPS} desktops are there already")
        log.info("desktop_connected", computer=hello.computer, user=hello.username, version=hello.version)
        self._on_hello(desktop, hello)
        self.on_state(self._shown(self._entries[desktop]))
        return desktop

    def reported(self, desktop: str, report: Report) -> None:
        """See `Desktops.reported`."""
        entry = self._entries.get(desktop)
        if entry is None:
            return
        before = entry.status, entry.seen.title
        entry.seen = replace(entry.seen, updated_at=self._clock.now())
        if isinstance(report, StatusSeen):
            entry.status = report.status.strip()[:LONGEST].upper() or entry.status
        elif isinstance(report, WindowSeen):
            entry.seen = replace(entry.seen, title=report.title[:LONGEST_TITLE])
        self._on_report(desktop, report)
        if (entry.status, entry.seen.title) != before:
            self.on_state(self._shown(entry))

    def disconnected(self, desktop: str, link: DesktopLink) -> None:
        """See `Desktops.disconnected`."""
        entry = self._entries.get(desktop)
        if entry is not None and entry.link is link:
            entry.link = None
            log.info("desktop_disconnected", computer=entry.seen.computer, user=entry.seen.username)
            self.on_state(self._shown(entry))

    # --- what Earshot asks --------------------------------------------------------------------------------------------

    def _is_there(self, entry: _Entry) -> bool:
        return entry.link is not None and self._clock.now() - entry.seen.updated_at <= self._away_after_s

    def _shown(self, entry: _Entry) -> Desktop:
        return replace(entry.seen, status=entry.status if self._is_there(entry) else AWAY)

    def named(self, desktop: str) -> Desktop | None:
        """See `Desktops.named`."""
        entry = self._entries.get(desktop)
        return self._shown(entry) if entry is not None else None

    def send(self, desktop: str, order: Order) -> bool:
        """See `Desktops.send`."""
        entry = self._entries.get(desktop)
        if entry is None or entry.link is None or not self._is_there(entry):
            return False
        entry.link.send(order)
        return True

    def windows(self, computer: str, username: str) -> Sequence[Desktop]:
        """See `Desktops.windows`. A computer is named or given by its address, a user with or without the domain."""
        domain, user = _split(username)
        found = [
            self._shown(entry)
            for entry in self._entries.values()
            if (not computer or _is_computer(entry.seen, computer)) and (not user or _is_user(entry.seen, user, domain))
        ]
        return sorted(found, key=lambda desktop: desktop.updated_at, reverse=True)

    def find(self, sought: Sought) -> tuple[str, Desktop] | None:
        """See `Desktops.find`. The name in Windows weighs more than the mapping of stations."""
        domain, user = _split(sought.username)
        tests: list[Callable[[Desktop], bool]] = []
        if user:
            tests.append(lambda seen: _is_user(seen, user, sought.domain or domain))
        if sought.stations:
            tests.append(lambda seen: any(_is_computer(seen, station) for station in sought.stations))
        away: tuple[str, Desktop] | None = None
        for test in tests:
            matching = [(name, entry) for name, entry in self._entries.items() if test(entry.seen)]
            matching.sort(key=lambda pair: (self._is_there(pair[1]), pair[1].seen.updated_at), reverse=True)
            if matching and self._is_there(matching[0][1]):
                return matching[0][0], self._shown(matching[0][1])
            if matching and away is None:
                away = matching[0][0], self._shown(matching[0][1])
        return away


def _split(username: str) -> tuple[str, str]:
    """(domain, name) of `DOMAIN\\name` or `name@domain`; the domain is empty where none is written."""
    domain, backslash, name = username.strip().partition("\\")
    if backslash:
        return domain, name
    name, _, domain = username.strip().partition("@")
    return domain, name


def _is_user(seen: Desktop, user: str, domain: str) -> bool:
    """Same name, and same domain where both sides say one: in full, or by its first label (UPTIVITY, uptivity.com)."""
    own, name = _split(seen.username)
    if name.casefold() != user.casefold():
        return False
    mine, theirs = (seen.domain or own).casefold(), domain.casefold()
    return not mine or not theirs or mine == theirs or mine.partition(".")[0] == theirs.partition(".")[0]


def _is_computer(seen: Desktop, station: str) -> bool:
    """By its name, with or without its domain, or by its address."""
    wanted, name = station.strip().casefold(), seen.computer.casefold()
    if not wanted:
        return False
    return wanted in (name, name.partition(".")[0], seen.address.casefold()) or wanted.partition(".")[0] == name
