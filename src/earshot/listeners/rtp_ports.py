"""The pool of RTP ports: which are free, which are cooling down after use.

Pure: no sockets, time is passed in. The one rule: a port that was just freed is not given away while packets of its
last stream may still arrive.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from earshot.errors import EarshotError

_AT_ONCE = 16


class NoFreePort(EarshotError):
    """Every port of the range is in use or cooling down: answer 503 with Retry-After."""


class PortPool:
    """Ports `first` to `last`, longest unused first. `even_only` leaves out odd ports: some senders round them down
    (RFC 3550 section 11). Times are seconds of any clock that never goes back."""

    def __init__(self, first: int, last: int, *, cool_down_s: float, even_only: bool = True) -> None:
        if not 0 < first <= last <= 65535:
            raise ValueError(f"{first}-{last} is no range of ports")
        ports = [port for port in range(first, last + 1) if not even_only or port % 2 == 0]
        self._free = OrderedDict.fromkeys(ports)
        self._known = frozenset(ports)
        self._cooling: OrderedDict[int, float] = OrderedDict()
        self._used: set[int] = set()
        self._cool_down_s = cool_down_s

    def free(self, now: float) -> int:
        """How many ports could be taken now."""
        self._warm(now)
        return len(self._free)

    def candidates(self, now: float) -> Iterator[int]:
        """The free ports, longest unused first; take one with `take()`."""
        self._warm(now)
        passed = 0
        while some := tuple(islice(self._free, passed, passed + _AT_ONCE)):
            yield from some
            passed += sum(port in self._free for port in some)

    def take(self, port: int) -> None:
        """Mark a port as used, free or cooling (a restart binds the ports of its calls again) or out of the range.

        Raises NoFreePort if it is in use.
        """
        if port in self._used:
            raise NoFreePort(f"port {port} is in use")
        self._used.add(port)
        self._free.pop(port, None)
        self._cooling.pop(port, None)

    def give_back(self, port: int, now: float) -> None:
        """The port is no longer used; it cools down from now on."""
        self._used.remove(port)
        if port in self._known:
            self._cooling[port] = now + self._cool_down_s

    def put_aside(self, port: int, now: float) -> None:
        """Somebody else has the port: try it again after a cool-down."""
        self.take(port)
        self.give_back(port, now)

    def _warm(self, now: float) -> None:
        while self._cooling and next(iter(self._cooling.values())) <= now:
            self._free[self._cooling.popitem(last=False)[0]] = None
