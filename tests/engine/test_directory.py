"""Lookups of devices: the precedence of identifiers, free seating, fixed seating, and what is not found."""

import pytest

from earshot.engine.directory import Agent, Directory, device_of_signalling, resolve_device
from earshot.engine.inputs import StartCall
from earshot.engine.model import State
from earshot.engine.step import step

SALLY = Agent(user_id=2, sys_user="smith.1", crm_user="sallys", phones=("1123", "3343"))
JOHN = Agent(user_id=3, sys_user="doe", crm_user="JDOE", phones=("9001",))
DIRECTORY = Directory.of([SALLY, JOHN], [("COMPUTER1", "1234")])


def state_with(*starts: StartCall) -> State:
    state = State()
    for number, start in enumerate(starts):
        step(state, start, 1_000_000 * (number + 1))
    return state


@pytest.mark.parametrize(
    ("names", "device"),
    [
        ({"device_id": "77", "device_alias": "9001", "sys_user": "smith.1"}, "77"),
        ({"station": "computer1"}, "1234"),
        ({"station": "unknown"}, None),
        ({"device_alias": "9001"}, "700"),
        ({"sys_user": "DOE"}, "700"),
        ({"crm_user": "jdoe"}, "700"),
        ({"crm_user": "sallys"}, "1123"),
        ({"device_alias": "3343"}, "3343"),
        ({"device_alias": "no such"}, None),
        ({"sys_user": "no such"}, None),
        ({}, None),
    ],
)
def test_lookups(names: dict[str, str], device: str | None) -> None:
    state = state_with(StartCall(device_id="700", changes={"device_alias": "9001"}))
    assert resolve_device(DIRECTORY, state, **names) == device


def test_the_last_callstart_that_carried_both_wins() -> None:
    state = state_with(
        StartCall(device_id="700", changes={"device_alias": "9001"}),
        StartCall(device_id="701", changes={"device_alias": "9001"}),
    )
    assert resolve_device(DIRECTORY, state, crm_user="jdoe") == "701"
    state = state_with(
        StartCall(device_id="700", changes={"device_alias": "9001"}),
        StartCall(device_id="700", changes={"device_alias": "1123"}),
    )
    assert resolve_device(DIRECTORY, state, sys_user="smith.1") == "700"
    assert state.device_of_alias == {"1123": "700"}, "one alias at a time sits on a device"


def test_signalling_that_names_an_alias_means_its_device() -> None:
    state = state_with(StartCall(device_id="700", changes={"device_alias": "9001"}))
    assert device_of_signalling(DIRECTORY, state, "9001") == ("700", "9001")
    assert device_of_signalling(DIRECTORY, state, "700") == ("700", "9001")
    assert device_of_signalling(DIRECTORY, state, "4711") == ("4711", "")


def test_who_is_on_a_device() -> None:
    assert DIRECTORY.agent_on("700", "9001") is JOHN
    assert DIRECTORY.agent_on("1123", "") is SALLY
    assert DIRECTORY.agent_on("1123", "unknown") is SALLY
    assert DIRECTORY.agent_on("5", "") is None
    assert DIRECTORY.knows("1234") and DIRECTORY.knows("9001") and not DIRECTORY.knows("6145551212")
