"""Every shape of SIPREC that real clients send, by SIPp over UDP and TCP, with real RTP: what was sent is in the WAV.

All chosen cases are performed side by side against one server, each on a device of its own; a test waits for its case.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from lxml import etree
from tests.interop.kept import exported, rows, stored
from tests.interop.shapes import SHAPES, Shape
from tests.interop.sipp import SCENARIOS, Run, run_sipp, scenario_text
from tests.interop.sounds import ALIGNED, Samples, Speech, assert_same_sound
from tests.servers import Speaker, in_process

AT_ONCE = 3
FIRST_DEVICE = 3000
SHORT_S = 0.5
SIDE_OF_END = {"": "", "near": "agent", "far": "other"}


@dataclass(frozen=True, slots=True)
class Case:
    """A shape over one transport, with a device of its own."""

    shape: Shape
    transport: str
    device: str

    @property
    def caller(self) -> str:
        """The other party's number."""
        return f"614555{self.device}"

    def named(self, text: str) -> str:
        """`text` with the numbers of this case."""
        return text.replace("DEVICE", self.device).replace("CALLER", self.caller)


CASES = [
    Case(shape, transport, str(FIRST_DEVICE + 2 * place + number))
    for place, shape in enumerate(SHAPES)
    for number, transport in enumerate(shape.transports)
]
IDS = [f"{case.shape.name}-{case.transport}" for case in CASES]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: how the SIPps ended, what was said, the call's row, the recordings' rows and sounds."""

    runs: list[Run]
    speech: Speech
    call: dict[str, Any] | None
    recordings: list[dict[str, Any]]
    sounds: list[tuple[Samples, int]]


async def perform(case: Case, server: Speaker, folder: Path, turn: asyncio.Semaphore) -> Outcome:
    """One case from the INVITE to the exported sound."""
    shape, speech = case.shape, Speech(f"{case.device}")
    async with turn:
        try:
            calls = [
                run_sipp(
                    shape.scenario or shape.name,
                    case.transport,
                    server.sip_port,
                    {"device": case.device, "caller": case.caller, "end": end, "side": SIDE_OF_END[end]},
                    shape.options,
                    folder / f"{shape.name}-{case.transport}-{end}",
                    speech,
                )
                for end in shape.ends
            ]
            runs = list(await asyncio.gather(*calls))
        finally:
            speech.close()
    if shape.verdict is None or any(run.status for run in runs):
        return Outcome(runs, speech, None, rows(server.data_dir, "recordings", case.device), [])
    call = await stored(server.data_dir, case.device)
    recordings = rows(server.data_dir, "recordings", case.device)
    return Outcome(runs, speech, call, recordings, [await exported(server, row["ident"]) for row in recordings])


def chosen_devices(request: pytest.FixtureRequest) -> set[str]:
    """The devices of the cases that this run of pytest asks for."""
    mine = [item for item in request.session.items if item.path == request.path]
    specs = [item.callspec for item in mine if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    cases: list[Any] = [spec.params["case"] for spec in specs]
    return {case.device for case in cases}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, "asyncio.Task[Outcome]"]]:
    """Every chosen case, being performed."""
    folder = tmp_path_factory.mktemp("interop")
    turn = asyncio.Semaphore(AT_ONCE)
    chosen = chosen_devices(request)
    async with in_process(folder / "data", port_cooldown_s=0.5, short_s=SHORT_S) as server:
        tasks = {
            case.device: asyncio.create_task(perform(case, server, folder, turn))
            for case in CASES
            if case.device in chosen
        }
        try:
            yield tasks
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=IDS)
async def test_what_a_client_sends_is_recorded_or_refused_as_it_should(
    case: Case, outcomes: dict[str, "asyncio.Task[Outcome]"]
) -> None:
    outcome = await outcomes[case.device]
    for run in outcome.runs:
        assert run.status == 0, f"SIPp ended with {run.status}\n{run.errors[-2000:]}\n{run.messages[-6000:]}"
    if case.shape.repeated:
        assert outcome.runs[0].messages.count(case.shape.repeated) > 2, outcome.runs[0].messages
    if outcome.call is None:
        assert case.shape.verdict is None and outcome.recordings == []
        return
    assert_call(case, outcome.call)
    assert len(outcome.recordings) == (1 if case.shape.voices else 0)
    for recording, sound in zip(outcome.recordings, outcome.sounds, strict=True):
        assert_recording(case, outcome, recording)
        assert_sound(case, outcome.speech, *sound)


def test_every_scenario_is_played_and_is_xml() -> None:
    played = {shape.scenario or shape.name for shape in SHAPES} | {"restart_in_mid_call"}
    assert {file.stem for file in SCENARIOS.glob("*.xml")} == played
    for name in played:
        root = etree.fromstring(scenario_text(name).encode())
        assert root.tag == "scenario" and root.get("name")


def assert_call(case: Case, call: dict[str, Any]) -> None:
    """The call's row is as the shape says."""
    shape = case.shape
    assert (call["verdict"], call["reason"]) == shape.verdict
    assert json.loads(call["announced_by"]) == ["siprec"]
    assert set(json.loads(call["warnings"])) - {"lenient"} == shape.warnings
    leniencies = json.loads(call["leniencies"])
    assert shape.leniencies <= leniencies.keys(), leniencies
    if not shape.voices:
        return
    parties = sorted(one["number"] for one in json.loads(call["participants"]))
    assert parties == sorted(case.named(one) for one in shape.parties)
    assert len(json.loads(call["metadata"])) == shape.documents
    assert {name: call[name] for name in shape.says} == {name: case.named(value) for name, value in shape.says.items()}


def assert_recording(case: Case, outcome: Outcome, recording: dict[str, Any]) -> None:
    """The recording's row tells of every packet, and of the hold."""
    legs = json.loads(recording["legs"])
    heard: dict[str, int] = {}
    for leg in legs:
        assert (leg["lost"], leg["late"], leg["duplicated"]) == (0, 0, 0), leg
        heard[leg["side"]] = heard.get(leg["side"], 0) + leg["received"]
    sent = {name: voice.packets for name, voice in outcome.speech.voices.items()}
    assert {side: count for side, count in heard.items() if count} == sent
    gaps = json.loads(recording["gaps"])
    assert bool(gaps) == case.shape.held and {why for _, _, why in gaps} <= {"hold"}, gaps


def assert_sound(case: Case, speech: Speech, sound: Samples, rate: int) -> None:
    """Every channel holds its voice to the sample, and the channels lie to each other as they were spoken."""
    assert (rate, sound.shape[1]) == (8000, len(case.shape.voices))
    origins = []
    for channel, name in zip(sound.T, case.shape.voices, strict=True):
        if name:
            origins.append(assert_same_sound(np.ascontiguousarray(channel), speech.voices[name]))
        else:
            assert not channel.any()
    assert max(origins) - min(origins) <= ALIGNED
