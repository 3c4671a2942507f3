"""What the core needs of whatever receives RTP: ports, legs, and whether a leg is being written."""

from typing import Protocol


class NoFreePort(Exception):
    """Every RTP port is taken or cooling down."""


class Sound(Protocol):
    """The receiver of RTP streams, one UDP port per leg."""

    def open_leg(self, leg: int, port: int | None = None) -> int:
        """Bind a port for `leg` (exactly `port` when given, as after a restart) and return it. Nothing is written
        until `keep`. Raises NoFreePort."""
        ...

    def keep(self, leg: int, wanted: bool) -> None:
        """Whether packets of the leg go to the journal from now on. Packets that wait in the socket are settled first
        under the rule that held while they arrived."""
        ...

    def mask(self, leg: int, masked: bool, since_us: int = 0) -> None:
        """Whether packets of the leg are counted and thrown away (a blackout), also before `keep`: of those that wait
        in the socket the ones that arrived at or after journal time `since_us`, and all that come from now on. No error
        if the leg is not open."""
        ...

    def move_leg(self, old: int, new: int) -> None:
        """The port of `old` belongs to `new` from now on; nothing is written for `new` until `keep`."""
        ...

    def is_open(self, leg: int) -> bool:
        """Whether the leg has a port now."""
        ...

    def close_leg(self, leg: int) -> None:
        """Free the port; it cools down before it is used again. No error if the leg is not open."""
        ...

    def packets(self, leg: int) -> int:
        """How many RTP packets of the leg were received so far; 0 if it is not open."""
        ...

    def last_heard_us(self, leg: int) -> int:
        """Journal time of the last RTP packet of the leg, 0 if there was none."""
        ...

    def free_ports(self) -> int:
        """How many ports could be opened now."""
        ...
