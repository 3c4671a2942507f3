"""Schedules at work: real SIPREC calls, of which some are recorded and some leave nothing behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.faults.evidence import TALK, PhoneSystem, phones_at, until, until_rows
from tests.servers import Speaker, in_process

from earshot.actor import SYSTEM
from earshot.api.schedules import ScheduleDesk
from earshot.ports import FinishedCall
from earshot.simulate.codecs import frames
from earshot.simulate.speech import AGENT, CUSTOMER
from earshot.store.sql.schedules import SqlSchedules


class Site:
    """A server, phones, and whoever administers its schedules."""

    def __init__(self, server: Speaker, phones: PhoneSystem) -> None:
        assert server.inside is not None
        self.server, self.phones, self.inside = server, phones, server.inside
        store = SqlSchedules(self.inside.database, self.inside.clock)
        self.desk = ScheduleDesk(store, lambda: self.inside.context.audit)

    async def only(self, *documents: dict[str, Any]) -> None:
        """Have only these schedules decide, as a change by another process would."""
        await self.desk.switch(SYSTEM, 1, False)
        for document in documents:
            await self.desk.add(SYSTEM, document)
        revision = await SqlSchedules(self.inside.database, self.inside.clock).revision()
        copy = self.server.data_dir / "schedules.json"
        await until(lambda: orjson.loads(copy.read_bytes())["revision"] == revision, "schedules are in force")

    async def ended(self, *devices: str) -> dict[str, FinishedCall]:
        """The finished calls of these devices, by device."""
        rows = await until_rows(self.server.data_dir, *devices)
        return {call.variables.device_id: call for call in rows}

    async def decision(self, call: FinishedCall) -> dict[str, Any]:
        number = await self.inside.store.call_number(call.key)
        assert number is not None
        whole = await self.inside.store.call(number)
        assert whole is not None
        return whole.decision

    async def heard(self, device: str, packets: int = 50) -> None:
        """Wait until so much sound of the device's call has arrived."""

        def enough() -> bool:
            state = self.inside.recorder.state
            calls = [state.calls[key] for key in state.devices[device].calls] if device in state.devices else []
            legs = [one.facts.leg for call in calls for one in call.attachments if one.until_us is None]
            return bool(legs) and all(self.inside.recorder.sound.packets(leg) >= packets for leg in legs)

        await until(enough, f"sound of {device}")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with in_process(tmp_path / "data") as server, phones_at(server) as phones:
        yield Site(server, phones)


def spoken_files(data_dir: Path) -> list[str]:
    """The files in which something is that was said in a call, as it came over the wire."""
    tracks = [frames(TALK, party, "PCMU") for party in (AGENT, CUSTOMER)]
    first = {track.payload(number) for track in tracks for number in range(400)}
    said = [payload for payload in first if len(set(payload)) > 60]
    assert len(said) > 100
    files = {path.name: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    return [name for name, data in files.items() if any(payload in data for payload in said)]


async def test_a_new_installation_records_everything_by_a_schedule_that_can_be_seen(site: Site) -> None:
    (kept,) = await site.desk.listed()
    assert (kept.schedule.number, kept.schedule.name, kept.schedule.active) == (1, "Record everything", True)
    call = await site.phones.ring("1001")
    await site.heard("1001")
    await site.phones.phones.hang_up(call)
    finished = (await site.ended("1001"))["1001"]
    assert (finished.verdict, len(finished.recordings)) == ("recorded", 1)
    decision = await site.decision(finished)
    assert decision["winner"]["name"] == "Record everything"
    assert decision["facts"]["device"] == "1001"


async def test_one_call_is_kept_and_of_the_other_no_packet_is_written_anywhere(site: Site) -> None:
    await site.only(
        {
            "name": "1002 only",
            "criteria": [{"field": "device", "values": ["1002"]}],
            "priority": 7,
            "keep_days": 30,
            "archive_action": 4,
        }
    )
    unwanted = await site.phones.ring("1001")
    await site.heard("1001", 400)
    status = await site.server.command("DEVICERECORDINGSTATUS", DEVICEID="1001")
    assert b"<ISRECORDING>N<" in status and b"<STATUS>notrecording<" in status
    await site.phones.phones.hang_up(unwanted)
    first = (await site.ended("1001"))["1001"]
    assert (first.verdict, first.reason, first.recordings) == ("not_recorded", "schedule", ())
    assert spoken_files(site.server.data_dir) == []
    assert (await site.decision(first))["winner"] is None

    wanted = await site.phones.ring("1002")
    await site.heard("1002", 400)
    assert spoken_files(site.server.data_dir) != [], "what is looked for is found where it is"
    await site.phones.phones.hang_up(wanted)
    second = (await site.ended("1002"))["1002"]
    assert second.verdict == "recorded"
    variables = second.recordings[0].variables
    assert (variables.keep_days, variables.archive_action, variables.priority) == (30, 4, "7")


async def test_what_the_api_says_of_retention_wins_over_the_schedule(site: Site) -> None:
    await site.only({"name": "All", "keep_days": 30, "archive_action": 4, "priority": 7})
    await site.server.command("CALLSTART", DEVICEID="1001", ARCHIVEACTION="9", PRIORITY="3")
    call = await site.phones.ring("1001")
    await site.heard("1001")
    await site.phones.phones.hang_up(call)
    variables = (await site.ended("1001"))["1001"].recordings[0].variables
    assert (variables.keep_days, variables.archive_action, variables.priority) == (30, 9, "3")


async def test_on_demand_keeps_from_the_moment_it_is_asked_for(site: Site) -> None:
    await site.only({"name": "When asked", "kind": "on_demand"})
    call = await site.phones.ring("1001")
    await site.heard("1001", 100)
    assert await site.server.command("RECORDSTART", DEVICEID="1001", USER1="Complaint", AGENTINITIATED="Y")
    status = await site.server.command("DEVICERECORDINGSTATUS", DEVICEID="1001")
    assert b"<STATUS>recording<" in status
    await site.heard("1001", 200)
    await site.server.command("RECORDSTOP", DEVICEID="1001", USER2="Solved")
    assert b"<STATUS>notrecording<" in await site.server.command("DEVICERECORDINGSTATUS", DEVICEID="1001")
    await site.heard("1001", 300)
    await site.phones.phones.hang_up(call)
    finished = (await site.ended("1001"))["1001"]
    assert (finished.verdict, finished.reason) == ("recorded", "recordstop")
    (sealed,) = finished.recordings
    assert sealed.duration_s < finished.stopped_at - finished.started_at - 2
    assert sealed.variables.users[:2] == ("Complaint", "Solved")
    assert (await site.decision(finished))["trigger"] == "recordstart"


async def test_agentinitiated_of_callstart_asks_for_on_demand(site: Site) -> None:
    await site.only({"name": "When asked", "kind": "on_demand"})
    for device, asked in (("1001", "N"), ("1002", "Y")):
        await site.server.command("CALLSTART", DEVICEID=device, AGENTINITIATED=asked)
        call = await site.phones.ring(device)
        await site.heard(device)
        await site.phones.phones.hang_up(call)
    calls = await site.ended("1001", "1002")
    assert {device: call.verdict for device, call in calls.items()} == {"1001": "not_recorded", "1002": "recorded"}


async def test_what_callstart_says_later_can_still_have_a_call_recorded_and_callupdate_cannot(site: Site) -> None:
    await site.only({"name": "Sales", "criteria": [{"field": "group", "values": ["Sales"]}]})
    call = await site.phones.ring("1001")
    await site.heard("1001")
    await site.server.command("CALLUPDATE", DEVICEID="1001", GROUP="Sales")
    assert b"<ISRECORDING>N<" in await site.server.command("DEVICERECORDINGSTATUS", DEVICEID="1001")
    await site.server.command("CALLSTART", DEVICEID="1001", GROUP="Sales")
    assert b"<ISRECORDING>Y<" in await site.server.command("DEVICERECORDINGSTATUS", DEVICEID="1001")
    await site.heard("1001", 200)
    await site.phones.phones.hang_up(call)
    assert (await site.ended("1001"))["1001"].verdict == "recorded"


@pytest.mark.parametrize("by", ["schedule", "api"])
async def test_a_recording_ends_when_it_is_as_long_as_it_may_be_and_the_call_goes_on(site: Site, by: str) -> None:
    await site.only({"name": "Short", "max_length_s": 2 if by == "schedule" else 3600})
    if by == "api":
        await site.server.command("CALLSTART", DEVICEID="1001", MAXRECORDTIME="2")
    call = await site.phones.ring("1001")
    await site.server.until("DEVICERECORDINGSTATUS", b"<ISRECORDING>Y<", DEVICEID="1001")
    await site.server.until("DEVICERECORDINGSTATUS", b"<ISRECORDING>N<", DEVICEID="1001")
    channels = await site.server.command("CHANNELS")
    assert b"<STATE>Recording<" not in channels
    await site.phones.phones.hang_up(call)
    finished = (await site.ended("1001"))["1001"]
    assert (finished.verdict, finished.reason) == ("recorded", "max_length")
    assert 1.5 < finished.recordings[0].duration_s < 5


async def test_silence_ends_a_recording(site: Site) -> None:
    await site.server.command("CALLSTART", DEVICEID="1001", MAXRECORDSILENCE="1")
    call = await site.phones.ring("1001")
    await site.heard("1001")
    site.phones.fall_silent(call)
    await site.server.until("DEVICERECORDINGSTATUS", b"<ISRECORDING>N<", DEVICEID="1001")
    await site.phones.phones.hang_up(call)
    assert (await site.ended("1001"))["1001"].reason == "silence_limit"


async def test_what_is_shorter_than_the_least_is_thrown_away(site: Site) -> None:
    await site.only({"name": "Long ones", "min_length_s": 60})
    call = await site.phones.ring("1001")
    await site.heard("1001")
    await site.phones.phones.hang_up(call)
    finished = (await site.ended("1001"))["1001"]
    assert (finished.verdict, finished.reason, finished.recordings) == ("not_recorded", "too_short", ())
