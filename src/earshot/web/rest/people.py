"""Users and their phones, over IMPORTUSER and IMPORTAGENTPHONE.

The one rule: a password goes in and never comes out.
"""

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.permissions import USER_ADMINISTRATION
from earshot.ports import User
from earshot.web.rest.desk import LAST_NUMBER, Desk, value_in, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import not_found
from earshot.web.rest.values import In, Listed, Moment, Name, Out, Text, parameters

UserId = Annotated[int, Path(ge=1, le=LAST_NUMBER, description="USERID")]
Phone = Annotated[Name, Field(pattern=r"^[^,]*$")]
NO_USER = "API_USER_NOT_FOUND"


class UserOut(Out):
    """A user; an agent where `is_agent`. Deleted users keep their rows, so that old recordings name them."""

    user_id: int
    username: str
    employee_id: str
    first_name: str
    last_name: str
    is_agent: bool
    active: bool
    deleted: bool
    is_admin: bool
    added_at: Moment | None
    modified_at: Moment | None
    sys_user: str
    sys_domain: str
    email: str
    crm_user: str
    site_id: str
    phones: list[str]


class UserChange(In):
    """What is to be changed of a user; empty texts leave a field as it is, `phones` replaces all of them."""

    username: Text | None = None
    employee_id: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    is_agent: bool | None = None
    active: bool | None = Field(None, description="An account that is not active cannot log in, and is no agent.")
    sys_user: Text | None = None
    domain: Text | None = None
    email: Text | None = None
    crm_user: Text | None = None
    site_id: Text | None = None
    password: SecretStr | None = Field(None, max_length=255)
    phones: Annotated[list[Phone], Field(max_length=200)] | None = None

    def fields(self) -> list[tuple[str, str]]:
        """The parameters of IMPORTUSER."""
        plain = self.model_copy(update={"password": None, "is_agent": None, "active": None})
        fields = list(parameters(plain))
        if self.active is not None:
            fields.append(("STATUS", "A" if self.active else "I"))
        if self.is_agent is not None:
            fields.append(("AGENT", "Y" if self.is_agent else "N"))
        if self.password is not None:
            fields.append(("PASSWORD", self.password.get_secret_value()))
        return fields


class UserNew(UserChange):
    """A new user: a user name, or first and last name."""


class People:
    """/v1/users."""

    tag = "users"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/users", USER_ADMINISTRATION, summary="List users")
    async def listed(self, request: Request, deleted: bool = False) -> Listed[UserOut]:
        """By number; with `deleted` those that were deleted, too."""
        return Listed(items=[self._shown(user) for user in await self._desk.context.store.users(deleted)])

    @route("GET", "/v1/users/{user_id:int}", USER_ADMINISTRATION, summary="One user")
    async def one(self, request: Request, user_id: UserId) -> UserOut:
        """Deleted ones, too."""
        return await self._user(user_id)

    @route("POST", "/v1/users", USER_ADMINISTRATION, summary="Add a user", status=201)
    async def add(self, request: Request, body: UserNew) -> UserOut:
        """IMPORTUSER ADD. A name or a phone that is taken: 409."""
        result = await self._desk.perform(who(request), "IMPORTUSER", [("ACTION", "ADD"), *body.fields()])
        return await self._user(int(value_in(result, "USERID")))

    @route("PATCH", "/v1/users/{user_id:int}", USER_ADMINISTRATION, summary="Change a user")
    async def change(self, request: Request, user_id: UserId, body: UserChange) -> UserOut:
        """IMPORTUSER MODIFY."""
        fields = [("ACTION", "MODIFY"), ("USERID", str(user_id)), *body.fields()]
        await self._desk.perform(who(request), "IMPORTUSER", fields)
        return await self._user(user_id)

    @route("DELETE", "/v1/users/{user_id:int}", USER_ADMINISTRATION, summary="Delete a user", status=204)
    async def delete(self, request: Request, user_id: UserId) -> Response:
        """IMPORTUSER DELETE: the row stays, the phones are free."""
        await self._desk.perform(who(request), "IMPORTUSER", [("ACTION", "DELETE"), ("USERID", str(user_id))])
        return Response(status_code=204)

    @route("PUT", "/v1/users/{user_id:int}/phones/{phone}", USER_ADMINISTRATION, summary="Give a phone", status=204)
    async def give_phone(self, request: Request, user_id: UserId, phone: Annotated[Phone, Path()]) -> Response:
        """IMPORTAGENTPHONE ADD. A phone of another agent: 409."""
        return await self._phone(request, "ADD", user_id, phone)

    @route("DELETE", "/v1/users/{user_id:int}/phones/{phone}", USER_ADMINISTRATION, summary="Take a phone", status=204)
    async def take_phone(self, request: Request, user_id: UserId, phone: Annotated[Phone, Path()]) -> Response:
        """IMPORTAGENTPHONE DELETE."""
        return await self._phone(request, "DELETE", user_id, phone)

    async def _phone(self, request: Request, action: str, user_id: int, phone: str) -> Response:
        fields = [("ACTION", action), ("AGENTID", str(user_id)), ("PHONEID", phone)]
        await self._desk.perform(who(request), "IMPORTAGENTPHONE", fields)
        return Response(status_code=204)

    async def _user(self, user_id: int) -> UserOut:
        for user in await self._desk.context.store.users(include_deleted=True):
            if user.user_id == user_id:
                return self._shown(user)
        raise not_found(f"user {user_id}", NO_USER)

    def _shown(self, user: User) -> UserOut:
        facts: dict[str, Any] = {name: getattr(user, name) for name in UserOut.model_fields}
        facts |= {name: self._desk.time_or_none(facts[name]) for name in ("added_at", "modified_at")}
        return UserOut(**facts | {"phones": list(user.phones)})
