"""The core's view of the RTP listener: legs instead of ports (core.sound.Sound)."""

from earshot.core.sound import NoFreePort
from earshot.listeners import rtp_ports
from earshot.listeners.rtp import RtpListener


class LegSound:
    """Each leg has one port, and each port at most one leg."""

    def __init__(self, rtp: RtpListener) -> None:
        self._rtp = rtp
        self._ports: dict[int, int] = {}

    def open_leg(self, leg: int, port: int | None = None) -> int:
        try:
            opened = self._rtp.open_port(port)
        except rtp_ports.NoFreePort as taken:
            raise NoFreePort(str(taken)) from None
        self._ports[leg] = opened
        return opened

    def keep(self, leg: int, wanted: bool) -> None:
        port = self._ports.get(leg)
        if port is not None:
            self._rtp.record(port, leg if wanted else None)

    def mask(self, leg: int, masked: bool, since_us: int = 0) -> None:
        port = self._ports.get(leg)
        if port is not None:
            self._rtp.mask(port, masked, since_us)

    def move_leg(self, old: int, new: int) -> None:
        port = self._ports.pop(old, None)
        if port is not None:
            self._rtp.record(port, None)
            self._ports[new] = port

    def is_open(self, leg: int) -> bool:
        return leg in self._ports

    def close_leg(self, leg: int) -> None:
        port = self._ports.pop(leg, None)
        if port is not None:
            self._rtp.close_port(port)

    def packets(self, leg: int) -> int:
        port = self._ports.get(leg)
        return self._rtp.packets(port) if port is not None else 0

    def last_heard_us(self, leg: int) -> int:
        port = self._ports.get(leg)
        return self._rtp.last_heard_us(port) if port is not None else 0

    def free_ports(self) -> int:
        return self._rtp.free_ports()
