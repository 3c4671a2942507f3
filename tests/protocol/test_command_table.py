"""The table itself, the pages made from it, and the times of the protocol."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Return, needs
from earshot.protocol.commands import COMMANDS, FAMILIES
from earshot.protocol.reference import main, pages
from earshot.protocol.results import CODES
from earshot.protocol.times import (
    database_time,
    legacy_time,
    legacy_time_with_offset,
    parse_legacy_time,
    unix_seconds,
    uptime,
)

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
ALL_NAMES = (
    "TEST CALLSTART CALLSTOP CALLUPDATE RECORDSTART RECORDSTOP DEVICELIST DEVICESTATUS DEVICERECORDINGSTATUS "
    "SYSTEMSTATUS CHANNELS STATIONS FETCHTERMINOLOGY CALLLIST CHATSTART CHATSTOP CHATUPDATE BLACKOUTSTART "
    "AGENTBLACKOUTSTART "
    "BLACKOUTSTOP AGENTBLACKOUTSTOP IMPORTUSER IMPORTAGENTPHONE IMPORTWORKSTATION EXPORT COMBINEDEXPORT MULTIEXPORT "
    "ADDGROUP MODIFYGROUPPERMISSION MODIFYROLE MODIFYROLEGROUPPERMISSION MODIFYUSERROLE MODIFYROLEPERMISSION EMAIL "
    "COMBINEDEMAIL AGENTWINDOW"
)
EASTERN = timezone(timedelta(hours=-5))
INDIA = timezone(timedelta(hours=5, minutes=30))


def test_all_36_commands_are_there_in_their_families() -> None:
    assert sorted(COMMANDS) == sorted(ALL_NAMES.split())
    assert len(COMMANDS) == 36
    assert all(command.done for command in COMMANDS.values())
    assert {c.name for c in COMMANDS.values() if c.doors == ("http",)} == {"EXPORT", "COMBINEDEXPORT", "MULTIEXPORT"}
    for family, commands in FAMILIES.items():
        assert {command.family for command in commands} == {family}


def test_the_numbers_are_unique_and_leave_out_17_and_19() -> None:
    assert sorted(CODES.values()) == [n for n in range(41) if n not in (17, 19)]


def test_the_reference_on_disk_is_what_the_table_says() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md")}
    on_disk.pop("status.md")  # made from the cases: tests/conformance/test_status_page.py
    assert on_disk == pages(), "run: python -m earshot.protocol.reference docs/reference"


def test_the_generator_writes_its_pages(tmp_path: Path) -> None:
    assert main([str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == pages().keys()
    assert main([]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"parameters": (p.ANI, p.ANI)},
        {"parameters": (p.AGENTID, p.Parameter(name="X", meaning="", spellings=("USERID",)))},
        {"requires": (needs("ANI"),)},
        {"parameters": (p.ANI,), "requires": (needs("ANI", label="NOT_A_LABEL"),)},
        {"returns": (Return(label="NOT_A_LABEL", sentence=""),)},
    ],
)
def test_a_row_that_contradicts_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="X"):
        Command(name="X", family="calls", sentence="", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "plain", "database"),
    [
        (datetime(2011, 2, 1, 11, 49, 32), "2/1/2011 11:49:32 AM", "Feb 1 2011 11:49AM"),
        (datetime(2012, 7, 13, 12, 30, 43), "7/13/2012 12:30:43 PM", "Jul 13 2012 12:30PM"),
        (datetime(2012, 7, 13, 0, 5, 6), "7/13/2012 12:05:06 AM", "Jul 13 2012 12:05AM"),
        (datetime(2011, 2, 2, 16, 53), "2/2/2011 4:53:00 PM", "Feb 2 2011 4:53PM"),
    ],
)
def test_times_are_written_as_the_specification_does(moment: datetime, plain: str, database: str) -> None:
    moment = moment.replace(tzinfo=INDIA)
    assert legacy_time(moment) == plain
    assert legacy_time_with_offset(moment) == f"{plain} +05:30"
    assert database_time(moment) == database
    assert parse_legacy_time(plain, INDIA) == moment
    assert parse_legacy_time(database, INDIA) == moment.replace(second=0)


def test_an_offset_is_written_and_read() -> None:
    moment = datetime(2006, 10, 30, 16, 5, 38, tzinfo=EASTERN)
    assert legacy_time_with_offset(moment) == "10/30/2006 4:05:38 PM -05:00"
    assert parse_legacy_time("10/30/2006 4:05:38 PM -05:00", UTC) == moment
    assert parse_legacy_time("2006-10-30T16:05:38-05:00", UTC) == moment
    assert parse_legacy_time("Feb  2 2011  4:53PM", EASTERN) == datetime(2011, 2, 2, 16, 53, tzinfo=EASTERN)
    assert parse_legacy_time("10/30/2006", EASTERN) == datetime(2006, 10, 30, tzinfo=EASTERN)
    with pytest.raises(ValueError, match="zone"):
        legacy_time_with_offset(datetime(2006, 10, 30))


@pytest.mark.parametrize(
    "text", ["", "soon", "13/1/2011 1:00:00 AM", "2/30/2011", "2/1/2011 13:00:00 PM", "Foo 1 2011 1:00AM"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_legacy_time(text, UTC) is None


@given(
    st.text(max_size=40)
    | st.from_regex(r"\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2} [AP]M [+-]\d\d:\d\d", fullmatch=True)
)
def test_reading_a_time_never_raises(text: str) -> None:
    assert parse_legacy_time(text, UTC) is None or isinstance(parse_legacy_time(text, UTC), datetime)


def test_uptime_and_unix_time() -> None:
    assert uptime(18 * 3600 + 24 * 60 + 37.9) == "0 days, 18 hours, 24 minutes, 37 seconds."
    assert uptime(86400 * 2) == "2 days, 0 hours, 0 minutes, 0 seconds."
    moment = datetime(2011, 1, 31, 17, 50, 33, tzinfo=EASTERN)
    assert unix_seconds(moment) == 1296514233
    assert unix_seconds(moment, from_local_clock=True) == 1296496233
