"""What every `Preferences` and every `Locations` must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.api.terminology import (
    CUSTOM,
    PRESETS,
    TERMINOLOGY,
    change_term,
    choose_preset,
    page_terms,
    read_terms,
    terms_of,
)
from earshot.clock import FakeClock
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports import NotFound, NotUnique
from earshot.ports.preferences import Location, Locations, Preferences
from earshot.store.memory_preferences import MemoryLocations, MemoryPreferences
from earshot.store.sql import database_at
from earshot.store.sql.locations import SqlLocations
from earshot.store.sql.preferences import SqlPreferences


@dataclass
class Kept:
    preferences: Preferences
    locations: Locations
    clock: FakeClock


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    clock = FakeClock(1000.5)
    if request.param == "memory":
        yield Kept(MemoryPreferences(clock), MemoryLocations(), clock)
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield Kept(SqlPreferences(database, clock), SqlLocations(database), clock)
    await database.close()


async def test_a_setting_is_what_was_set_last_and_says_who_and_when(kept: Kept) -> None:
    assert await kept.preferences.preference("a") is None
    await kept.preferences.set_preference("a", {"x": [1, None, "ü"]}, "jdoe")
    kept.clock.advance(10)
    await kept.preferences.set_preference("b", "text", "jdoe")
    await kept.preferences.set_preference("a", (1, 2.5), "bold'; --")
    found = await kept.preferences.preference("a")
    assert found is not None
    assert (found.value, found.changed_at, found.changed_by) == ([1, 2.5], 1010.5, "bold'; --")
    assert [one.name for one in await kept.preferences.preferences()] == ["a", "b"]


async def test_what_is_no_document_is_refused_and_changes_nothing(kept: Kept) -> None:
    await kept.preferences.set_preference("a", 1, "jdoe")
    with pytest.raises(ValueError, match="a cannot be kept"):
        await kept.preferences.set_preference("a", object(), "jdoe")
    found = await kept.preferences.preference("a")
    assert found is not None and found.value == 1


async def test_locations_are_numbered_and_named_once(kept: Kept) -> None:
    first = [Location(number=1, name="Main")]
    assert list(await kept.locations.locations()) == first
    assert (await kept.locations.add_location("  Berlin ")).number == 2
    assert await kept.locations.add_location("Oslo", 40) == Location(number=40, name="Oslo")
    assert (await kept.locations.add_location("Rome")).number == 41
    assert (await kept.locations.rename_location(2, "BERLIN")).name == "BERLIN"
    names = {one.number: one.name for one in await kept.locations.locations()}
    assert names == {1: "Main", 2: "BERLIN", 40: "Oslo", 41: "Rome"}


@pytest.mark.parametrize(
    ("name", "number", "error"),
    [
        ("main", None, NotUnique),
        ("Oslo", 1, NotUnique),
        ("   ", None, ValueError),
        ("x" * 256, None, ValueError),
        ("Oslo", 0, ValueError),
        ("Oslo", -5, ValueError),
        ("Oslo", 2**31, ValueError),
    ],
)
async def test_a_location_that_cannot_be(kept: Kept, name: str, number: int | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        await kept.locations.add_location(name, number)
    assert len(await kept.locations.locations()) == 1


async def test_a_location_cannot_take_the_name_of_another_nor_be_nobody(kept: Kept) -> None:
    await kept.locations.add_location("Berlin")
    with pytest.raises(NotUnique):
        await kept.locations.rename_location(2, "MAIN")
    with pytest.raises(NotFound):
        await kept.locations.rename_location(3, "Oslo")
    with pytest.raises(ValueError, match="1 to 255"):
        await kept.locations.rename_location(1, "")


async def test_stores_that_are_away_say_so(tmp_path: Path) -> None:
    memory, places = MemoryPreferences(FakeClock()), MemoryLocations()
    memory.unavailable = places.unavailable = True
    closed = database_at(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")
    for preferences in (memory, SqlPreferences(closed, FakeClock())):
        with pytest.raises(StoreUnavailable):
            await preferences.preference("a")
        with pytest.raises(StoreUnavailable):
            await preferences.set_preference("a", 1, "x")
    for locations in (places, SqlLocations(closed)):
        with pytest.raises(StoreUnavailable):
            await locations.add_location("x")


# --- terminology, which is kept as a setting -----------------------------------------------------------------------


async def test_terms_begin_as_the_ten_of_the_specification(kept: Kept) -> None:
    assert await read_terms(kept.preferences) == dict(CUSTOM)
    assert list(CUSTOM) == [
        *("agent", "ani", "callcopygroup", "devicealias", "deviceid", "dnis", "gate", "group", "user1", "user2")
    ]
    assert await page_terms(kept.preferences) == {}


async def test_a_term_is_changed_and_given_back(kept: Kept) -> None:
    await choose_preset(kept.preferences, "aVAYA", "jdoe")
    terms = await change_term(kept.preferences, "Gate", "  Queue ", "jdoe")
    assert (terms["gate"], terms["group"]) == ("Queue", "Skill")
    assert await read_terms(kept.preferences) == terms == await page_terms(kept.preferences)
    assert (await change_term(kept.preferences, "user9", "Case", "jdoe"))["user9"] == "Case"
    assert (await change_term(kept.preferences, "gate", "", "jdoe"))["gate"] == "VDN"
    found = await kept.preferences.preference(TERMINOLOGY)
    assert found is not None and found.changed_by == "jdoe"


async def test_a_preset_replaces_own_words_but_custom_keeps_what_is_there(kept: Kept) -> None:
    await choose_preset(kept.preferences, "Aspect", "jdoe")
    await change_term(kept.preferences, "agent", "CSR", "jdoe")
    assert (await choose_preset(kept.preferences, "Custom", "jdoe"))["agent"] == "CSR"
    assert (await read_terms(kept.preferences))["deviceid"] == PRESETS["Aspect"]["deviceid"]
    assert await choose_preset(kept.preferences, "Alcatel", "jdoe") == dict(PRESETS["Alcatel"])


@pytest.mark.parametrize(("name", "term"), [("nothing", "x"), ("gate", "x" * 101), ("gate", "a\nb"), ("", "x")])
async def test_a_term_that_cannot_be(kept: Kept, name: str, term: str) -> None:
    with pytest.raises(BadInput):
        await change_term(kept.preferences, name, term, "jdoe")
    with pytest.raises(BadInput):
        await choose_preset(kept.preferences, "Nortel", "jdoe")
    assert await kept.preferences.preference(TERMINOLOGY) is None


json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["preset", "terms", "gate", "Avaya"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_whatever_the_setting_holds_all_ten_terms_have_words(value: Any) -> None:
    terms = terms_of(value)
    assert set(CUSTOM) <= set(terms)
    assert all(isinstance(word, str) and word for word in terms.values())
