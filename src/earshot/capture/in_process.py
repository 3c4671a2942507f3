"""A desktop agent in this very process: it captures a picture that it draws itself, truly encoded into segment files.

For tests, for trying screen sessions out, and as the model for real agents. What is drawn is a bar per second that has
passed and the number of the frame in stripes, so that whoever looks at a segment can say which frames it holds. The one
rule: a segment gets its name only when it is whole and on the disk.
"""

import asyncio
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import structlog
from numpy.typing import NDArray

from earshot.clock import Clock
from earshot.ports.capture import (
    Desktops,
    Hello,
    Order,
    ScreenFailed,
    ScreenStarted,
    ScreenStopped,
    SegmentFinished,
    StartScreen,
    StatusSeen,
    StopScreen,
    UpdateScreen,
    WindowSeen,
    segment_file,
)
from earshot.tasks import Spawner
from earshot.vault.files import create, opened
from earshot.vault.keyring import Keyring

log = structlog.get_logger(__name__)

WEBM = "video/webm"
WIDTH, HEIGHT = 320, 180
STRIPES = 20
BACKGROUND, BRIGHT, BLACK = 60, 220, 16
HEARTBEAT_S = 20.0


def drawn(frame: int, black: bool) -> NDArray[np.uint8]:
    """The luma plane of frame `frame`: its number in binary, as stripes from the left; nothing at all when black."""
    plane = np.full((HEIGHT, WIDTH), BLACK if black else BACKGROUND, np.uint8)
    if not black:
        width = WIDTH // STRIPES
        for bit in range(STRIPES):
            if frame >> bit & 1:
                plane[:, bit * width : (bit + 1) * width] = BRIGHT
    return plane


def read_number(plane: NDArray[Any]) -> int | None:
    """The number that `drawn` wrote, from a decoded luma plane; None for a black one."""
    if plane.mean() < (BLACK + BACKGROUND) / 2:
        return None
    width = WIDTH // STRIPES
    middles = plane[HEIGHT // 2 - 8 : HEIGHT // 2 + 8, width // 2 : WIDTH : width].mean(axis=0)
    return sum(1 << bit for bit, level in enumerate(middles) if level > (BACKGROUND + BRIGHT) / 2)


def encode(path: Path, frames: Iterable[tuple[int, bool]], fps: int, keyring: Keyring | None = None) -> None:
    """Write (number, black) frames as VP8 in WebM to `path`, durably; encrypted from the first byte where there is a
    `keyring`."""
    unfinished = path.with_name(path.name + ".part")
    with create(unfinished, keyring) as file:
        with av.open(file, "w", format="webm") as container:
            stream = container.add_stream("libvpx", rate=fps)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.options = {"deadline": "realtime", "cpu-used": "8", "crf": "10"}
            grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
            for place, (number, black) in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(np.vstack([drawn(number, black), grey]), format="yuv420p")
                picture.pts, picture.time_base = place, Fraction(1, fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _read(path: Path, keyring: Keyring | None) -> bytes:
    """The plain bytes of a segment. Raises OSError."""
    with opened(path, keyring) as file:
        return file.read()


@dataclass(slots=True)
class _Running:
    order: StartScreen
    black: bool
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class InProcessAgent:
    """One desktop agent. `intake` is the folder where Earshot looks for segments; `fps` pictures a second are drawn,
    `segment_s` seconds of them make a file, which is encrypted where there is a `keyring`."""

    def __init__(
        self,
        desktops: Desktops,
        hello: Hello,
        *,
        intake: Path,
        clock: Clock,
        spawner: Spawner,
        fps: int = 5,
        segment_s: float = 10.0,
        keyring: Keyring | None = None,
    ) -> None:
        self._desktops = desktops
        self._hello = hello
        self._intake = intake
        self._clock = clock
        self._spawner = spawner
        self._fps = fps
        self._keyring = keyring
        self._per_segment = max(1, round(segment_s * fps))
        self._running: dict[str, _Running] = {}
        self._desktop = ""

    def start(self) -> None:
        """Say hello, and show a first window."""
        self._desktop = self._desktops.connected(self._hello, self)
        self.show("Earshot test picture")
        self._spawner.spawn(f"desktop {self._hello.computer}", self._stay())

    def stop(self) -> None:
        """Go away, as a computer that is switched off: nothing more is reported."""
        for running in self._running.values():
            running.stopping.set()
        self._running.clear()
        self._desktops.disconnected(self._desktop, self)

    def show(self, title: str, status: str = "AVAILABLE") -> None:
        """Report a window in front, and what the session is doing."""
        now = self._clock.now()
        self._desktops.reported(self._desktop, StatusSeen(status=status, at=now))
        self._desktops.reported(self._desktop, WindowSeen(title=title, at=now))

    async def _stay(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._desktops.reported(self._desktop, StatusSeen(status="", at=self._clock.now()))

    def send(self, order: Order) -> None:
        """See `DesktopLink.send`."""
        running = self._running.get(order.capture)
        if isinstance(order, StartScreen) and running is None:
            running = self._running[order.capture] = _Running(order, order.black)
            self._spawner.spawn(f"capture {order.capture}", self._capture(running))
        elif isinstance(order, UpdateScreen) and running is not None:
            running.black = order.black
        elif isinstance(order, StopScreen):
            if running is not None:
                running.stopping.set()
            else:
                self._desktops.reported(self._desktop, ScreenStopped(capture=order.capture))

    async def _capture(self, running: _Running) -> None:
        capture = running.order.capture
        self._desktops.reported(self._desktop, ScreenStarted(capture=capture, at=self._clock.now()))
        number, frame = running.order.first_segment, 0
        try:
            while self._running.get(capture) is running and not running.stopping.is_set():
                began_at = self._clock.now()
                frames = await self._watch(running, frame)
                frame += len(frames)
                if self._running.get(capture) is not running:
                    return
                await self._finish(capture, number, frames, began_at)
                number += 1
        except (OSError, av.FFmpegError) as failure:
            log.error("in_process_capture_failed", capture=capture, why=str(failure))
            self._desktops.reported(self._desktop, ScreenFailed(capture=capture, why=str(failure)))
        else:
            self._desktops.reported(self._desktop, ScreenStopped(capture=capture))
        finally:
            if self._running.get(capture) is running:
                del self._running[capture]

    async def _watch(self, running: _Running, frame: int) -> list[tuple[int, bool]]:
        """The frames of one segment; at least one, fewer than usual when the capture is stopped."""
        frames = [(frame, running.black)]
        while len(frames) < self._per_segment and not running.stopping.is_set():
            try:
                async with asyncio.timeout(1 / self._fps):
                    await running.stopping.wait()
            except TimeoutError:
                frames.append((frame + len(frames), running.black))
        return frames

    async def _finish(self, capture: str, number: int, frames: list[tuple[int, bool]], began_at: float) -> None:
        path = self._intake / segment_file(capture, number, WEBM)
        await asyncio.to_thread(encode, path, frames, self._fps, self._keyring)
        data = await asyncio.to_thread(_read, path, self._keyring)
        report = SegmentFinished(
            capture=capture,
            number=number,
            media_type=WEBM,
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            began_at=began_at,
            duration_s=len(frames) / self._fps,
        )
        self._desktops.reported(self._desktop, report)
