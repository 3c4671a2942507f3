"""Who may not, is told so before any handler runs: every command, every actor that is no client of the XML protocol."""

from typing import Any, cast

import pytest

from earshot.actor import PROTOCOL, SYSTEM, Actor, Kind
from earshot.api.context import Context
from earshot.api.dispatch import Api, missing_permissions
from earshot.api.permissions import NEEDED, needed
from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_REQUEST_TYPE, Result


class Untouchable:
    """A context that no handler may have been given."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a handler ran and asked for {name}")


def request_of(name: str, actor: Actor, **more: str) -> Request:
    return Request(COMMANDS[name], "7", dict(COMMANDS[name].example) | more, "http", actor=actor)


@pytest.mark.parametrize("kind", ["person", "token"])
@pytest.mark.parametrize("name", [name for name, permission in NEEDED.items() if permission is not None])
def test_without_its_permission_nothing_runs(name: str, kind: Kind) -> None:
    nobody = Actor(kind=kind, name="nobody", permissions=frozenset({"REPORTING"}))
    answer = Api(cast(Context, Untouchable()))(request_of(name, nobody))
    assert isinstance(answer, Result)
    assert (answer.label, answer.request_id) == (INVALID_REQUEST_TYPE, "7")
    wanted = sorted(needed(name, dict(COMMANDS[name].example)))
    assert answer.message == f"{name} needs the permission {' and '.join(wanted)}"


@pytest.mark.parametrize("name", COMMANDS)
def test_with_it_or_as_the_protocol_nothing_is_missing(name: str) -> None:
    allowed = Actor(kind="token", name="t", permissions=needed(name, dict(COMMANDS[name].example)))
    for actor in (allowed, PROTOCOL, SYSTEM):
        assert missing_permissions(request_of(name, actor)) == []


def test_what_a_request_reaches_back_to_needs_more() -> None:
    some = Actor(kind="person", name="p", permissions=frozenset({"BLACKOUTS", "CALLCONTROL"}))
    assert missing_permissions(request_of("BLACKOUTSTART", some, TIMEOFFSET="-5")) == ["BLACKOUTSAFTERTHEFACT"]
    assert missing_permissions(request_of("BLACKOUTSTART", some, TIMEOFFSET="5")) == []
    assert missing_permissions(request_of("CALLUPDATE", some, RECORDID="1")) == ["RECORDINGUPDATE"]
