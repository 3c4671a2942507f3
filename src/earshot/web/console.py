"""What every page needs, in one value, and how a template becomes a response.

No routes here. The one rule: templates get plain values and escape everything; nobody builds HTML by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import HTMLResponse

from earshot.api.live import LiveSource
from earshot.api.media import Exporter
from earshot.clock import Clock
from earshot.ports import Storage, Store
from earshot.web.logins import Logins
from earshot.web.presenting import PLAIN_FILTERS, Presenter


def _environment(zone: tzinfo | None) -> Environment:
    environment = Environment(
        loader=PackageLoader("earshot.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    presenter = Presenter(zone)
    environment.filters.update(PLAIN_FILTERS)
    for name in ("day", "time_of_day", "zone_name", "when", "machine_time"):
        environment.filters[name] = getattr(presenter, name)
    return environment


@dataclass(slots=True, kw_only=True)
class Console:
    """The parts behind the pages. `zone` is where times are shown, None for this machine's own."""

    store: Store
    storage: Storage
    clock: Clock
    live: LiveSource
    logins: Logins
    export: Exporter
    registry: CollectorRegistry
    zone: tzinfo | None = None
    _templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self._templates = _environment(self.zone)

    def page(
        self, request: Request, template: str, values: Mapping[str, Any] | None = None, status: int = 200
    ) -> HTMLResponse:
        """Render `template` with `values`, the user who is logged in, and the path for the navigation."""
        text = self._templates.get_template(template).render(
            user=request.state.user, path=request.url.path, **(values or {})
        )
        return HTMLResponse(text, status)

    def sorry(self, request: Request, status: int, title: str, sentence: str) -> HTMLResponse:
        """A page that says what went wrong and the way out."""
        return self.page(request, "sorry.html", {"title": title, "sentence": sentence}, status)
