"""Schedules as JSON documents: what the command line, REST and the database read and write.

The one rule: a document that is not a schedule in every part is refused with one sentence, and changes nothing.
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

from earshot.engine.criteria import FIELDS, minutes_of, number_in
from earshot.engine.schedule_values import DAYS, Criterion, Schedule
from earshot.errors import BadInput

_ADAPTER = TypeAdapter(Schedule)
NAMES = tuple(one.name for one in fields(Schedule))
LONGEST_TEXT = 255
MOST_CRITERIA = 100
MOST_VALUES = 10_000
ONE_VALUE = ("is", "begins_with", "pattern")


def document_of(schedule: Schedule) -> dict[str, Any]:
    """The schedule as a JSON document."""
    return asdict(schedule)


def schedule_of(document: Mapping[str, Any], base: Schedule | None = None) -> Schedule:
    """The schedule of a document; what it leaves out is as in `base`, or as usual. Raises BadInput with a sentence."""
    if not isinstance(document, Mapping):
        raise BadInput("A schedule is a JSON object")
    for name in document:
        if name not in NAMES:
            near = difflib.get_close_matches(str(name), NAMES, 1)
            raise BadInput(f"A schedule has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    given = {**(asdict(base) if base else {}), **document}
    if not given.get("name"):
        raise BadInput("A schedule needs a name")
    criteria = given.get("criteria")
    for criterion in criteria if isinstance(criteria, list | tuple) else ():
        _known_keys(criterion)
    try:
        made: Schedule = _ADAPTER.validate_python(given)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where}: {first['msg']}") from None
    _check(made)
    return made


def _known_keys(criterion: Any) -> None:
    known = {one.name for one in fields(Criterion)}
    if isinstance(criterion, Mapping) and (unknown := set(criterion) - known):
        raise BadInput(f"A criterion has no {sorted(map(str, unknown))[0]!r}")


def _check(schedule: Schedule) -> None:
    if len(schedule.name) > LONGEST_TEXT or not schedule.name.isprintable():
        raise BadInput(f"The name of a schedule has at most {LONGEST_TEXT} characters on one line")
    texts = (schedule.description, schedule.owner, *(value for one in schedule.criteria for value in one.values))
    if any("\ud800" <= letter <= "\udfff" for text in texts for letter in text):
        raise BadInput("A schedule has half a character in it: a surrogate without its other half")
    if len(schedule.criteria) > MOST_CRITERIA:
        raise BadInput(f"A schedule has at most {MOST_CRITERIA} criteria")
    for name in ("random_percent", "percent"):
        if not 0 <= getattr(schedule, name) <= 100:
            raise BadInput(f"{name} goes from 0 to 100")
    for name in ("count", "min_length_s", "max_length_s", "silence_limit_s", "every_minutes"):
        if not 0 <= getattr(schedule, name) < 2**31:
            raise BadInput(f"{name} cannot be {getattr(schedule, name)}")
    for name in ("keep_days", "archive_action"):
        if not -1 <= getattr(schedule, name) < 2**31:
            raise BadInput(f"{name} is a number, or -1 for that of the installation")
    if not -(2**31) <= schedule.priority < 2**31:
        raise BadInput(f"priority cannot be {schedule.priority}")
    if schedule.kind == "set_number" and schedule.count < 1:
        raise BadInput("A schedule of the type set_number needs a count of 1 or more")
    if schedule.kind == "desktop" and not schedule.agents:
        raise BadInput("A schedule of the type desktop needs agents, by their USERID")
    if schedule.max_length_s and schedule.min_length_s > schedule.max_length_s:
        raise BadInput("min_length_s is above max_length_s: nothing would ever be kept")
    _check_times(schedule)
    for criterion in schedule.criteria:
        _check_criterion(criterion)


def _check_times(schedule: Schedule) -> None:
    unknown = set(schedule.days) - set(DAYS)
    if unknown or not schedule.days:
        raise BadInput(f"days are some of {', '.join(DAYS)}")
    try:
        first = minutes_of(schedule.from_time) if schedule.from_time else 0
        last = minutes_of(schedule.until_time) if schedule.until_time else 24 * 60
        if schedule.zone:
            ZoneInfo(schedule.zone)
    except ZoneInfoNotFoundError:
        raise BadInput(f"There is no time zone {schedule.zone}") from None
    except (ValueError, OSError) as wrong:
        raise BadInput(f"{wrong}") from None
    if first == last:
        raise BadInput("from_time and until_time are the same: leave both out for the whole day")
    if None not in (schedule.starts_at, schedule.ends_at) and schedule.starts_at >= schedule.ends_at:  # type: ignore[operator]
        raise BadInput("ends_at must be after starts_at")


def _check_criterion(criterion: Criterion) -> None:
    if criterion.field not in FIELDS:
        near = difflib.get_close_matches(criterion.field, FIELDS, 1)
        raise BadInput(f"There is no field {criterion.field!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    values = criterion.values
    if criterion.test in ONE_VALUE and len(values) != 1:
        raise BadInput(f"{criterion.field}: {criterion.test} takes one value")
    if not 1 <= len(values) <= MOST_VALUES or any(len(value) > LONGEST_TEXT for value in values):
        raise BadInput(f"{criterion.field}: {criterion.test} needs values of at most {LONGEST_TEXT} characters")
    if criterion.test in ("begins_with", "pattern") and not values[0]:
        raise BadInput(f"{criterion.field}: {criterion.test} needs a value that is not blank")
    if criterion.test == "range":
        numbers = [number_in(value) for value in values]
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or numbers[0] > numbers[1]:
            raise BadInput(f"{criterion.field}: range takes two numbers, the lower one first")
