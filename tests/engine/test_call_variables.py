"""The call variables as a value: made from what was said, changed by name; and what events say of a call."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from earshot.engine.effects import Announce
from earshot.engine.inputs import LegFacts, SessionOpened
from earshot.engine.model import State
from earshot.engine.step import step
from earshot.engine.variables import USER_FIELDS, CallVariables


def test_of_nothing_nothing_is_known() -> None:
    assert CallVariables.of({}) == CallVariables()


def test_every_field_can_be_said() -> None:
    said: dict[str, Any] = {field.name: f"<{field.name}>" for field in fields(CallVariables) if field.name != "users"}
    users = {f"user{number}": f"value {number}" for number in range(1, USER_FIELDS + 1)}
    made = CallVariables.of({**said, **users})
    assert {name: getattr(made, name) for name in said} == said
    assert made.users == tuple(users.values())
    assert made == CallVariables(**said, users=made.users)


def test_users_are_changed_one_by_one_or_together() -> None:
    gold = CallVariables.of({"user2": "gold", "ani": "1"})
    assert gold.users == ("", "gold", *[""] * (USER_FIELDS - 2))
    changed = gold.changed({"user3": "new", "ani": "2"})
    assert changed.users[:4] == ("", "gold", "new", "") and changed.ani == "2"
    assert gold.changed({"users": changed.users, "user1": "first"}).users[:3] == ("first", "gold", "new")


def test_what_is_no_variable_is_ignored() -> None:
    assert CallVariables.of({"colour": "red", "gate": "5"}) == CallVariables(gate="5")


def test_a_change_of_nothing_is_the_same_value() -> None:
    value = CallVariables.of({"gate": "5"})
    assert value.changed({}) is value


def test_made_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        CallVariables.of({"gate": "5"}).gate = "6"  # type: ignore[misc]


def test_every_event_of_a_signalled_call_says_what_the_signalling_said() -> None:
    opened = SessionOpened(
        session="s", device_id="555", signalled={"ani": "6145551212"}, legs=(LegFacts(leg=1, port=20000),)
    )
    told = [effect for effect in step(State(), opened, 1) if isinstance(effect, Announce)]
    assert [(one.event, one.variables.ani) for one in told] == [
        ("CALLSTART", "6145551212"),
        ("RECORDSTART", "6145551212"),
    ]
