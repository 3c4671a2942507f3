"""Ports on 127.0.0.1 for servers of tests that keep theirs while they are down.

They lie below the range from which the system takes ports for clients, and each test process has its own: nobody takes
one between the end of a server and its next start.
"""

import os
import socket

FIRST, EACH, PROCESSES = 10240, 5632, 4
"""So many processes with so many ports each: 32767 is the last."""


class _Ports:
    """Handed out in turn, from a place that differs from run to run."""

    def __init__(self) -> None:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
        self._first = FIRST + worker * EACH
        self._used = os.getpid() * 128 % EACH

    def take(self, count: int) -> range:
        """So many in a row that nobody uses, the first one even. Raises OSError."""
        for _ in range(2 * EACH // count):
            begin = self._used if self._used + count <= EACH else 0
            self._used = begin + count + count % 2
            ports = range(self._first + begin, self._first + begin + count)
            if all(map(_is_free, ports)):
                return ports
        raise OSError("no free ports")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # As servers do: what is left of old connections is in nobody's way.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


_PORTS = _Ports()


def free_port() -> int:
    """A port that nobody uses, neither with TCP nor with UDP."""
    return _PORTS.take(1).start


def free_rtp_ports(count: int = 60) -> str:
    """A range of ports that nobody uses, as FIRST-LAST; the first is even."""
    ports = _PORTS.take(count)
    return f"{ports.start}-{ports.stop - 1}"
