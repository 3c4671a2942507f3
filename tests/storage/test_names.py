"""Names of objects: the pattern of the specification, and nothing that leaves its folder."""

from datetime import UTC, timedelta, timezone
from pathlib import PurePosixPath, PureWindowsPath
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.storage.names import PART_BYTES, PART_CHARS, checked, object_name, safe_part, windows_name

AT = 1296493394.0  # 2011-01-31 17:03:14 UTC


def named(device_id: str = "1111", device_alias: str = "", at: float = AT, taken: frozenset[str] = frozenset()) -> str:
    return object_name(device_id=device_id, device_alias=device_alias, at=at, zone=UTC, taken=taken.__contains__)


def test_the_example_of_the_specification() -> None:
    name = named(device_alias="DESK1")
    assert name == "20110131/DESK1/DESK1-17-03-14.wav"
    assert windows_name(name) == "C:\\Recordings\\20110131\\DESK1\\DESK1-17-03-14.wav"
    assert windows_name(name, "D:\\Calls\\") == "D:\\Calls\\20110131\\DESK1\\DESK1-17-03-14.wav"


def test_the_device_names_it_without_an_alias() -> None:
    assert named("7008") == "20110131/7008/7008-17-03-14.wav"
    assert named("7008", "  ") == "20110131/7008/7008-17-03-14.wav"


def test_it_is_local_time() -> None:
    eastern = object_name(
        device_id="1", device_alias="", at=AT, zone=timezone(timedelta(hours=-18)), taken=lambda _: False
    )
    assert eastern == "20110130/1/1-23-03-14.wav"
    summer = object_name(
        device_id="1", device_alias="", at=1_688_212_800.9, zone=ZoneInfo("Europe/Berlin"), taken=lambda _: False
    )
    assert summer == "20230701/1/1-14-00-00.wav"


def test_the_same_second_gets_a_number() -> None:
    first = named("7008")
    second = named("7008", taken=frozenset({first}))
    third = named("7008", taken=frozenset({first, second}))
    assert (second, third) == ("20110131/7008/7008-17-03-14-1.wav", "20110131/7008/7008-17-03-14-2.wav")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("7008", "7008"),
        ("Zoë", "Zoë"),
        ("電話", "電話"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "unknown"),
        ("", "unknown"),
        ("///", "unknown"),
        ("C:\\Windows", "C__Windows"),
        ("sip:7008@pbx.example", "sip_7008@pbx.example"),
        ("a b\tc", "a_b_c"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("console", "console"),
        ("name.", "name"),
        ("a\u202eb\0c", "a_b_c"),
        ("e\u0301", "é"),
        ("x" * 500, "x" * PART_CHARS),
    ],
)
def test_safe_parts(text: str, part: str) -> None:
    assert safe_part(text) == part


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_becomes_a_safe_part(text: str) -> None:
    part = safe_part(text)
    assert checked(part) == part
    assert "/" not in part
    assert len(part) <= PART_CHARS + 1
    assert len(part.encode()) <= PART_BYTES + 1
    assert not PureWindowsPath(part).is_reserved()
    assert not set(part) & set('<>:"/\\|?*\0 ')
    assert part.isprintable()
    assert part == part.strip(". ")
    assert safe_part(part) == part


@given(st.text(), st.text(), st.integers(0, 253_000_000_000 // 100), st.integers(0, 3))
def test_every_name_stays_where_it_is_put(device_id: str, alias: str, at: int, taken: int) -> None:
    names: set[str] = set()
    for _ in range(taken + 1):
        names.add(named(device_id, alias, float(at), frozenset(names)))
    assert len(names) == taken + 1
    for name in names:
        path = PurePosixPath(checked(name))
        assert not path.is_absolute()
        assert len(path.parts) == 3
        assert ".." not in path.parts
        assert path.name.startswith(path.parts[1])
        assert PureWindowsPath(windows_name(name)).parts[-3:] == path.parts


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_checked_stays_inside(name: str) -> None:
    try:
        path = PurePosixPath("/root") / checked(name)
    except ValueError:
        return
    assert path.is_relative_to("/root")
    assert ".." not in path.parts
    assert str(path) == f"/root/{name}"


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a/.", "a\\b", "a\0", "a" * 256, "é" * 128]
)
def test_wrong_names(name: str) -> None:
    with pytest.raises(ValueError, match="object"):
        checked(name)
