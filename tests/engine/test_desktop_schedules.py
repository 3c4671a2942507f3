"""When timed schedules of desktops have a capture running: by the clock on the wall, whoever asks and whenever."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from earshot.engine.desktop_schedules import begin_of
from earshot.engine.schedule_values import Schedule

OFFICE = Schedule(
    number=4, name="Desks", kind="desktop", agents=(7,), from_time="09:00", until_time="17:00", days=("mon", "tue")
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("changes", "moment", "began"),
    [
        ({}, "2026-11-23T08:59:59", ""),
        ({}, "2026-11-23T09:00:00", "2026-11-23T09:00:00"),
        ({}, "2026-11-23T16:59:59", "2026-11-23T09:00:00"),
        ({}, "2026-11-23T17:00:00", ""),
        ({}, "2026-11-25T10:00:00", ""),
        ({"active": False}, "2026-11-23T10:00:00", ""),
        ({"max_length_s": 90}, "2026-11-23T09:01:29.9", "2026-11-23T09:00:00"),
        ({"max_length_s": 90}, "2026-11-23T09:01:30", ""),
        ({"every_minutes": 20}, "2026-11-23T09:40:59", "2026-11-23T09:40:00"),
        ({"every_minutes": 20}, "2026-11-23T09:41:00", ""),
        ({"every_minutes": 20, "max_length_s": 300}, "2026-11-23T09:44:59", "2026-11-23T09:40:00"),
        ({"every_minutes": 1, "max_length_s": 300}, "2026-11-23T09:44:59", "2026-11-23T09:44:00"),
        ({"from_time": "22:00", "until_time": "02:00"}, "2026-11-24T01:30:00", "2026-11-23T22:00:00"),
        ({"from_time": "", "until_time": ""}, "2026-11-24T00:00:30", "2026-11-24T00:00:00"),
        ({"zone": "Europe/Berlin"}, "2026-11-23T08:30:00", "2026-11-23T08:00:00"),
        ({"starts_at": at("2026-11-23T12:00:00")}, "2026-11-23T11:00:00", ""),
        ({"ends_at": at("2026-11-23T12:00:00")}, "2026-11-23T12:00:00", ""),
    ],
)
def test_which_capture_a_moment_belongs_to(changes: dict[str, object], moment: str, began: str) -> None:
    schedule = replace(OFFICE, **changes)  # type: ignore[arg-type]
    assert begin_of(schedule, at(moment), UTC) == (int(at(began)) if began else None)


def test_the_zone_of_the_installation_counts_where_the_schedule_names_none() -> None:
    assert begin_of(OFFICE, at("2026-11-23T16:30:00"), ZoneInfo("Europe/Berlin")) is None
