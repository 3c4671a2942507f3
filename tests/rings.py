"""Whether packet rings may be had here: they need the right CAP_NET_RAW, which root has and CI may not give."""

import socket

import pytest


def _may_be_had() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return False
    return True


RINGS = _may_be_had()
NEEDS_RINGS = pytest.mark.skipif(not RINGS, reason="a packet ring needs the right CAP_NET_RAW")
CAPTURES = ["sockets", pytest.param("ring", marks=NEEDS_RINGS)]
"""Both ways of hearing sound, for `parametrize`."""
