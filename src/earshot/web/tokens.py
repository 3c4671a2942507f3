"""The page of API tokens: make one, see it once, revoke.

What a token is and may do is decided in `earshot.api.tokens`. The one rule: a token is in the page that answers its
making, and nowhere else ever again.
"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from earshot.actor import Actor
from earshot.api.permissions import BY_NAME, CATALOGUE, USER_ADMINISTRATION
from earshot.api.tokens import ALL, Tokens, scopes_named
from earshot.errors import BadInput
from earshot.ports.audit import ApiToken
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_form
from earshot.web.console import Console
from earshot.web.permitted import actor_of

FORM_BYTES: Final = 16 * 1024
SCOPE: Final = "scope-"
PORTAL: Final = {name: permission.portal for name, permission in BY_NAME.items()}


class TokenPages:
    """GET and POST of /tokens, POST of /tokens/{number}/revoke."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def show(self, request: Request) -> Response:
        """The tokens of whoever asks; of everybody for who administers users."""
        return await self._page(request, {})

    async def create(self, request: Request) -> Response:
        """Make a token for whoever asks and show it."""
        actor = actor_of(request)
        try:
            form = await read_form(request, FORM_BYTES)
            names = [name.removeprefix(SCOPE) for name in form if name.startswith(SCOPE)]
            scopes = scopes_named(names)
            if scopes is not None and (beyond := sorted(name for name in scopes if not actor.may(name))):
                raise BadInput(f"You may not do that yourself: {', '.join(PORTAL[name] for name in beyond)}")
            days = form.get("days", "").strip()
            if not days.isdecimal() or len(days) > 5:
                raise BadInput("Say after how many days the token ends")
            made, secret = await self._tokens.create(actor, actor.user_id, form.get("name", ""), scopes, int(days))
        except (BodyTooLarge, BodyTooSlow):
            return await self._page(request, {"refusal": "That was not the form of this page."}, 400)
        except BadInput as wrong:
            return await self._page(request, {"refusal": f"{wrong}."}, 400)
        return await self._page(request, {"secret": secret, "made": made}, 201)

    async def revoke(self, request: Request) -> Response:
        """End a token; one of somebody else only for who administers users."""
        actor, number = actor_of(request), request.path_params["number"]
        whose = None if actor.may(USER_ADMINISTRATION) else actor.user_id
        if number < 2**63:
            await self._tokens.revoke(actor, number, whose)
        return RedirectResponse("/tokens", 303)

    async def _page(self, request: Request, more: dict[str, Any], status: int = 200) -> Response:
        console: Console = request.app.state.console
        actor = actor_of(request)
        everybody = actor.may(USER_ADMINISTRATION)
        tokens = await self._tokens.listed(None if everybody else actor.user_id)
        values = {
            "tokens": tokens,
            "everybody": everybody,
            "owners": await self._owners(console, tokens) if everybody else {},
            "portal": PORTAL,
            "permissions": [permission for permission in CATALOGUE if self._offered(actor, permission.name)],
            "now": console.clock.now(),
            "secret": "",
            "made": None,
            "refusal": "",
        }
        return console.page(request, "tokens.html", values | more, status)

    @staticmethod
    def _offered(actor: Actor, name: str) -> bool:
        return actor.may(name) and name.lower() != ALL

    @staticmethod
    async def _owners(console: Console, tokens: list[ApiToken]) -> dict[int, str]:
        wanted = {token.user_id for token in tokens}
        people = await console.store.users(include_deleted=True) if wanted else []
        return {user.user_id: user.username for user in people if user.user_id in wanted}
