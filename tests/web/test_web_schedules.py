"""The page of schedules, rendered with what its handlers give it."""

from datetime import UTC
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from earshot.actor import SYSTEM
from earshot.api.audit import NoTrail
from earshot.api.schedules import ScheduleDesk
from earshot.clock import FakeClock
from earshot.store.memory import MemoryStore
from earshot.store.memory_schedules import MemorySchedules
from earshot.web.console import _environment
from earshot.web.schedules import SchedulePages


class Printer:
    """The console's way from a template to a page, for nobody in particular."""

    def page(self, request: Request, template: str, values: dict[str, Any], status: int = 200) -> Response:
        shown = {"user": None, "links": [], "path": "/schedules", "may": lambda _: True, "word": str, **values}
        return Response(_environment(UTC).get_template(template).render(shown), status)


def pages() -> SchedulePages:
    clock = FakeClock()
    link = SimpleNamespace(ident=1, state=SimpleNamespace(calls={}))
    context: Any = SimpleNamespace(cores=SimpleNamespace(links=[link]), clock=clock, store=MemoryStore(clock))
    return SchedulePages(ScheduleDesk(MemorySchedules(clock), NoTrail), context, UTC)


@pytest.mark.parametrize(
    ("question", "status", "says"),
    [
        ("", 200, "Record everything"),
        ("call=device%3D555+group%3DSales", 200, "Recorded by schedule 1, Record everything."),
        ("call=grup%3DSales", 400, "There is no field"),
        ("call=17", 400, "There is no call 17"),
    ],
)
async def test_the_page_lists_and_explains(question: str, status: int, says: str) -> None:
    app = SimpleNamespace(state=SimpleNamespace(console=Printer()))
    scope = {"type": "http", "method": "GET", "path": "/schedules", "query_string": question.encode(), "headers": []}
    answer = await pages().listed(Request({**scope, "app": app, "state": {"actor": SYSTEM}}))
    assert answer.status_code == status
    assert says in bytes(answer.body).decode()
