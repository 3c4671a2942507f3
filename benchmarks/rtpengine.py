"""The peer of the ingest benchmark: rtpengine (Debian package rtpengine-daemon) recording the same calls as pcap files.

It runs in user space (no kernel table), is told of calls over its ng protocol (bencoded dictionaries over UDP), and
forwards what it records, which is what it is for: to one socket that nobody reads. It writes without fsync and makes
no sound files. Not here: the load, which is that of our own run.
"""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

PROGRAM = "rtpengine"
STOP_S = 10.0
START_S = 10.0
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)


def is_installed() -> bool:
    """Whether there is such a peer here."""
    return shutil.which(PROGRAM) is not None


def bencoded(value: Any) -> bytes:
    """Strings, whole numbers, lists and dictionaries."""
    match value:
        case str():
            return bencoded(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case int():
            return b"i%de" % value
        case list():
            return b"l" + b"".join(map(bencoded, value)) + b"e"
        case dict():
            return b"d" + b"".join(bencoded(key) + bencoded(value[key]) for key in sorted(value)) + b"e"
    raise TypeError(f"{value!r} cannot be bencoded")


def bdecoded(data: bytes) -> Any:
    """The value in `data`; strings are bytes, keys are str. Raises ValueError."""
    return _decoded(data, 0)[0]


def _decoded(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = _decoded(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return {key.decode(): value for key, value in zip(items[::2], items[1::2], strict=True)}, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


class Rtpengine:
    """One running rtpengine that writes into `folder`. `first_port` to `last_port` are its own."""

    def __init__(self, folder: Path, first_port: int, last_port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            control = probe.getsockname()[1]
        options = {
            "config-file": "none",
            "table": -1,
            "interface": "127.0.0.1",
            "listen-ng": f"127.0.0.1:{control}",
            "port-min": first_port,
            "port-max": last_port,
            "recording-dir": folder,
            "recording-method": "pcap",
            "recording-format": "eth",
            "endpoint-learning": "off",
            "log-level": 3,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [PROGRAM, "--foreground", "--log-stderr", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        self._sink.bind(("127.0.0.1", 0))
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._control.connect(("127.0.0.1", control))
        self._control.settimeout(5.0)
        self._cookie = 0

    @property
    def pid(self) -> int:
        """The process that is measured."""
        return self._process.pid

    def wait_until_up(self) -> None:
        """Raises TimeoutError if it does not answer."""
        until = time.monotonic() + START_S
        while True:
            try:
                self._ask("ping")
                return
            except (ConnectionRefusedError, TimeoutError):
                if time.monotonic() > until or self._process.poll() is not None:
                    raise TimeoutError("rtpengine does not answer") from None
                time.sleep(0.05)

    def begin(self, number: int) -> tuple[int, int]:
        """Set up a recorded call; the ports to which its two parties send."""
        sdp = SDP.format(port=self._sink.getsockname()[1])
        call = {"call-id": f"bench-{number}", "from-tag": "a", "ICE": "remove"}
        offered = self._ask("offer", **call, **{"sdp": sdp, "record-call": "yes"})
        answered = self._ask("answer", **call, **{"to-tag": "b", "sdp": sdp})
        return _port_in(answered["sdp"]), _port_in(offered["sdp"])

    def end(self, number: int) -> int:
        """Delete a call; how many RTP packets it took."""
        told = self._ask("delete", **{"call-id": f"bench-{number}", "from-tag": "a", "delete-delay": 0})
        return int(told["totals"]["RTP"]["packets"])

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control.close()
        self._sink.close()

    def _ask(self, command: str, **rest: Any) -> dict[str, Any]:
        self._cookie += 1
        cookie = b"%d " % self._cookie
        self._control.send(cookie + bencoded({"command": command, **rest}))
        while True:
            got = self._control.recv(65_536)
            if got.startswith(cookie):
                break
        answer: dict[str, Any] = bdecoded(got[len(cookie) :])
        if answer["result"] not in (b"ok", b"pong"):
            raise RuntimeError(f"rtpengine: {answer}")
        return answer


def _port_in(sdp: bytes) -> int:
    return int(sdp.partition(b"m=audio ")[2].split()[0])
