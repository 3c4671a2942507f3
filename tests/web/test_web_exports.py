"""GET /exports: who sees which jobs."""

from collections.abc import Sequence

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from earshot.actor import EVERYTHING, Actor
from earshot.api.exporting import ExportView
from earshot.api.exports import owner_of
from earshot.api.permissions import EXPORT, SEARCH
from earshot.web.exports import ExportList

JANE = Actor(kind="person", name="jane", permissions=frozenset({EXPORT}))
BOSS = Actor(kind="person", name="boss", permissions=None, sees=EVERYTHING)


class Jobs:
    """Two jobs, one of them Jane's."""

    def under_way(self) -> Sequence[ExportView]:
        return [
            ExportView(
                number=number,
                kind="single",
                format="MP3",
                records=(number,),
                owner=owner_of(actor),
                running=number == 1,
                fraction=0.12345,
                begun_at=1.0,
                waiting=1,
            )
            for number, actor in ((1, BOSS), (2, JANE))
        ]


def app_for(actor: Actor | None) -> ASGIApp:
    app = Starlette(routes=ExportList(Jobs()).routes())  # type: ignore[arg-type]

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        Request(scope).state.actor = actor
        await app(scope, receive, send)

    return known


@pytest.mark.parametrize(
    ("actor", "status", "jobs"),
    [
        (BOSS, 200, [1, 2]),
        (JANE, 200, [2]),
        (Actor(kind="token", name="t", permissions=frozenset({SEARCH})), 403, []),
        (None, 401, []),
    ],
)
async def test_everybody_sees_their_own(actor: Actor | None, status: int, jobs: list[int]) -> None:
    transport = httpx.ASGITransport(app_for(actor))
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as http:
        answer = await http.get("/exports")
    assert answer.status_code == status
    found = answer.json().get("exports", [])
    assert [one["job"] for one in found] == jobs
    assert all(one["fraction"] == 0.123 and one["state"] in ("running", "waiting") for one in found)
