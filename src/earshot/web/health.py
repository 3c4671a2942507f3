"""Whether we are alive, in numbers: /healthz and /metrics.

No measuring here beyond HTTP itself. The one rule: /healthz tells nothing that a stranger may not know.
"""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Health:
    """GET of /healthz and /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def healthz(self, request: Request) -> Response:
        """That the loop turns and answers."""
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """The registry in the Prometheus text format; for this machine and who is logged in (see the gate)."""
        return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
