"""The login page, the way out, and one's own password.

No password is checked here (`logins` does). The one rule: a refusal never tells whether the user exists.
"""

import math

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from earshot.errors import StoreUnavailable
from earshot.web.bodies import BodyTooLarge, BodyTooSlow, read_form
from earshot.web.console import Console
from earshot.web.gate import COOKIE, address_of, safe_next
from earshot.web.logins import LOGIN_S, SHORTEST_PASSWORD, LockedOut, WrongLogin
from earshot.web.passwords import TooBusy

FORM_BYTES = 16 * 1024


class Account:
    """GET and POST of /login, POST of /logout, and /whoami."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def ask(self, request: Request) -> Response:
        """The login page; somebody who is logged in already goes straight on."""
        target = safe_next(request.query_params.get("next", "/"))
        if request.state.user:
            return RedirectResponse(target, 303)
        return self._form(request, target)

    async def enter(self, request: Request) -> Response:
        """Check the form, set the cookie, go on to where the user wanted to be."""
        try:
            form = await read_form(request, FORM_BYTES)
        except (BodyTooLarge, BodyTooSlow):
            return self._form(request, "/", "That was not a login form.", 400)
        target = safe_next(form.get("next", "/"))
        username = form.get("username", "").strip()
        try:
            token = await self._console.logins.sign_in(username, form.get("password", ""), address_of(request))
        except WrongLogin:
            return self._form(request, target, "User name and password do not fit.", 401, username)
        except LockedOut as locked:
            response = self._form(request, target, _wait_sentence(locked), 429, username)
            response.headers["Retry-After"] = str(math.ceil(locked.wait_s))
            return response
        except TooBusy:
            return self._form(request, target, "Too many logins at once. Try again in a moment.", 503, username)
        except StoreUnavailable:
            return self._form(request, target, "The database cannot be reached just now.", 503, username)
        return _with_cookie(RedirectResponse(target, 303), request, token)

    async def leave(self, request: Request) -> Response:
        """End the session here and in the Store."""
        await self._console.logins.sign_out(request.cookies.get(COOKIE, ""), address_of(request))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def whoami(self, request: Request) -> Response:
        """The user's name, or null: lets the login page see, after a link from elsewhere, that there is no need."""
        return JSONResponse({"user": request.state.user.username if request.state.user else None})

    async def own(self, request: Request) -> Response:
        """The account of whoever is logged in."""
        return self._own(request)

    async def change_password(self, request: Request) -> Response:
        """Check the form, change the password, and go on with a new login; all other logins end."""
        try:
            form = await read_form(request, FORM_BYTES)
        except (BodyTooLarge, BodyTooSlow):
            return self._own(request, "That was not the form of this page.", 400)
        old, new, again = (form.get(name, "") for name in ("old", "new", "again"))
        if new != again:
            return self._own(request, "The new password and its repetition differ.", 400)
        try:
            user = request.state.user
            token = await self._console.logins.change_password(user, old, new, address_of(request))
        except ValueError as weak:
            return self._own(request, str(weak), 400)
        except WrongLogin:
            return self._own(request, "The old password is not right.", 403)
        except LockedOut as locked:
            return self._own(request, _wait_sentence(locked), 429)
        except TooBusy:
            return self._own(request, "Too many logins at once. Try again in a moment.", 503)
        return _with_cookie(RedirectResponse("/account?changed=1", 303), request, token)

    def _own(self, request: Request, refusal: str = "", status: int = 200) -> Response:
        changed = "changed" in request.query_params and not refusal
        values = {"refusal": refusal, "changed": changed, "shortest": SHORTEST_PASSWORD}
        return self._console.page(request, "account.html", values, status)

    def _form(
        self, request: Request, target: str, refusal: str = "", status: int = 200, username: str = ""
    ) -> Response:
        values = {"next": target, "refusal": refusal, "username": username}
        return self._console.page(request, "login.html", values, status)


def _wait_sentence(locked: LockedOut) -> str:
    wait = math.ceil(locked.wait_s)
    return f"Too many wrong passwords. Try again in {wait} second{'s' if wait > 1 else ''}."


def _with_cookie(response: Response, request: Request, token: str) -> Response:
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=int(LOGIN_S), httponly=True, samesite="strict", secure=secure)
    return response
