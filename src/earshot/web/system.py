"""The page of the machine: what it has left, what its channels do, whether what it keeps is encrypted.

Nothing is changed here, and no device is named. The one rule: every figure is at hand; nothing is counted for the page.
"""

import shutil
from collections import Counter
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from earshot import __version__
from earshot.api.context import Context
from earshot.api.permissions import SYSTEM_STATUS
from earshot.api.system import memory_mb, uptime_s
from earshot.protocol.times import uptime
from earshot.web.console import Console
from earshot.web.permitted import page

GB: Final = 1 << 30
MB_IN_GB: Final = 1024


class SystemPage:
    """GET of /system."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> list[BaseRoute]:
        """What stands behind the gate."""
        return [Route("/system", page(self.system, SYSTEM_STATUS), methods=["GET"])]

    async def system(self, request: Request) -> Response:
        """Machine, channels, encryption, and what operators must know."""
        console: Console = request.app.state.console
        disk = shutil.disk_usage(self._context.data_dir)
        total_mb, free_mb = memory_mb()
        cores = [
            (link.ident, link.refuses_new_calls(), sorted(Counter(one.state for one in link.channels()).items()))
            for link in self._context.cores.links
        ]
        encryption = await self._context.encryption.look()
        values = {
            "version": __version__,
            "disk": f"{disk.free / GB:.1f} GB of {disk.total / GB:.1f} GB are free",
            "memory": f"{free_mb / MB_IN_GB:.1f} GB of {total_mb / MB_IN_GB:.1f} GB are free",
            "up": uptime(uptime_s()).rstrip("."),
            "cores": cores,
            "encryption": encryption,
            "notices": tuple(dict.fromkeys((*console.live.snapshot().notices, *encryption.troubles))),
        }
        return console.page(request, "system.html", values)
