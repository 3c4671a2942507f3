"""One server as a process: from its settings to `ready`, until a signal ends it."""

import asyncio
import gc
import signal
from collections.abc import Callable

from earshot.app import Server
from earshot.config import Settings
from earshot.errors import EarshotError
from earshot.premises import raise_open_files


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. `announce` is told each address, then `ready`.

    Raises EarshotError when something failed without which nothing is recorded: whoever supervises starts it again,
    and the calls go on.
    """
    raise_open_files()
    stop = asyncio.Event()
    failed: list[str] = []

    def on_failure(task: str) -> None:
        failed.append(task)
        stop.set()

    server = Server(settings, on_failure=on_failure)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    gc.collect()
    gc.freeze()  # what was built until now is no garbage: a full collection among calls need not look through it
    gc.set_threshold(2_000, 5, 50)  # and there is little garbage in cycles: look for it less often
    server.warm_up()
    for name, address in server.addresses.items():
        announce(f"{name} {address}")
    announce("ready")
    await stop.wait()
    await server.stop()
    if failed:
        raise EarshotError(f"{failed[0]} failed, the log says how; calls that run go on at the next start")
