"""The plan: deterministic, within its limits, one call per device at a time."""

import itertools

import pytest

from earshot.simulate.options import SimulateOptions
from earshot.simulate.plan import DEVICE_REST_S, PlannedCall, Wishes, planned_calls
from earshot.simulate.speech import conversations


def made(wishes: Wishes, count: int = 300) -> list[PlannedCall]:
    return list(itertools.islice(planned_calls(wishes, conversations()), count))


def test_the_same_wishes_give_the_same_plan() -> None:
    wishes = Wishes(calls=40, codecs=("PCMU", "OPUS"), loss=0.01, hold=0.5)
    assert made(wishes) == made(wishes)
    assert made(wishes) != made(Wishes(calls=40, codecs=("PCMU", "OPUS"), loss=0.01, hold=0.5, seed=2))
    assert len(made(wishes)) == 40


@pytest.mark.parametrize(("concurrent", "devices", "rate"), [(1, 1, 5.0), (3, 3, 2.0), (20, 25, 4.0), (4, 40, 0.2)])
def test_limits_are_kept(concurrent: int, devices: int, rate: float) -> None:
    wishes = Wishes(calls=None, concurrent=concurrent, devices=devices, rate=rate, shortest_s=3, longest_s=9)
    plan = made(wishes)
    assert [call.number for call in plan] == list(range(300))
    assert all(3 <= call.length_s <= 9 for call in plan)
    starts = [call.start_s for call in plan]
    assert starts == sorted(starts)
    assert all(call.start_s >= call.number / rate - 0.001 for call in plan)
    for call in plan:
        others = [other for other in plan if other.start_s <= call.start_s < other.start_s + other.length_s - 0.01]
        assert len(others) <= concurrent
    for device in {call.device for call in plan}:
        own = [call for call in plan if call.device == device]
        assert 1_001 <= int(device) < 1_001 + devices
        for before, after in itertools.pairwise(own):
            assert after.start_s >= before.start_s + before.length_s + DEVICE_REST_S - 0.01
        assert len({call.agent_name for call in own}) == 1


def test_the_mix() -> None:
    plan = made(Wishes(calls=None, codecs=("PCMU", "G722"), hold=1.0, shortest_s=20, longest_s=20))
    assert {call.codec for call in plan} == {"PCMU", "G722"}
    assert {call.inbound for call in plan} == {True, False}
    assert {call.crm_first for call in plan} == {True, False}
    assert len({call.conversation for call in plan}) == 5
    assert all(call.hold is not None and 0 < call.hold[0] < call.hold[1] < 20 for call in plan)
    assert all((call.caller if call.inbound else call.dialled).startswith("+1202555") for call in plan)
    seeds = {impairment.seed for call in plan for impairment in call.impairments}
    assert len(seeds) == 600


@pytest.mark.parametrize(
    "wrong", [{"concurrent": 0}, {"rate": 0}, {"shortest_s": 9, "longest_s": 3}, {"codecs": ()}, {"shape": "round"}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Wishes(**wrong)  # type: ignore[arg-type]


def test_options_become_wishes() -> None:
    wishes = SimulateOptions(concurrent=9, loss_percent=2, mixed=True, forever=True).wishes()
    assert (wishes.devices, wishes.loss, wishes.shape, wishes.calls) == (9, 0.02, "mixed", None)
    with pytest.raises(ValueError, match="G729"):
        SimulateOptions(codecs=("G729",)).wishes()
