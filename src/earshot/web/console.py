"""What every page needs, in one value, and how a template becomes a response.

No routes here. The one rule: templates get plain values and escape everything; nobody builds HTML by hand.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import HTMLResponse

from earshot.actor import Actor
from earshot.api.audit import AuditTrail, NoTrail
from earshot.api.live import LiveSource
from earshot.api.media import Exporter
from earshot.api.retention import RetentionDesk
from earshot.api.tokens import PersonMaker
from earshot.clock import Clock
from earshot.ports import Storage, Store
from earshot.web.bearers import Bearers
from earshot.web.logins import Logins
from earshot.web.navigation import links
from earshot.web.presenting import PLAIN_FILTERS, Presenter
from earshot.web.terms import Terms, word_for


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
    """The parts behind the pages. `zone` is where times are shown, None for this machine's own; `terms` reads what the
    house calls things.

    Routes of services find it as `request.app.state.console`.
    """

    store: Store
    storage: Storage
    clock: Clock
    live: LiveSource
    logins: Logins
    authority: PersonMaker
    bearers: Bearers
    export: Exporter
    registry: CollectorRegistry
    zone: tzinfo | None = None
    audit: AuditTrail = field(default_factory=NoTrail)
    terms: Callable[[], Awaitable[Terms]] | None = None
    retention: RetentionDesk | None = None
    _templates: Environment = field(init=False)

    def __post_init__(self) -> None:
        self._templates = _environment(self.zone)

    def page(
        self, request: Request, template: str, values: Mapping[str, Any] | None = None, status: int = 200
    ) -> HTMLResponse:
        """Render `template` with `values`, the user who is logged in, what that user may do (`may`), and the links and
        the path for the navigation."""
        actor: Actor | None = getattr(request.state, "actor", None)
        shown = {
            "user": request.state.user,
            "may": actor.may if actor else lambda permission: False,
            "links": links(actor),
            "path": request.url.path,
            "word": word_for(request),
        }
        text = self._templates.get_template(template).render(shown | dict(values or {}))
        return HTMLResponse(text, status)

    def sorry(self, request: Request, status: int, title: str, sentence: str) -> HTMLResponse:
        """A page that says what went wrong and the way out."""
        return self.page(request, "sorry.html", {"title": title, "sentence": sentence}, status)
