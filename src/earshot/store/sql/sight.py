"""Whose recordings, calls and screen sessions somebody sees, as conditions of statements.

Each is seen by its agent, its device, its alias on it, its ACD group or its gate (`earshot.actor.Visibility`): five
columns, each with an index, that no one index answers together. So a list is either found by those columns, one
after the other, or found by another condition and looked through. The one rule: no value, no row.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.actor import Visibility
from earshot.store.tables import RECORDINGS

Values = Sequence[Any]
Shape = tuple[tuple[str, int], ...]
"""Columns, each with how many values there is room for: what the text of a statement depends on."""

SEEK_AT_ONCE = 128
"""How many values one statement finds recordings by; SQLite joins at most 500 selects."""
LOOK_AT_ONCE = 2048
"""How many values one statement looks for in the rows that something else found."""


def columns_of(sees: Visibility) -> dict[str, list[Any]]:
    """The values by column, blank ones and columns without any left out."""
    phones = sorted(phone for phone in sees.phones if phone)
    columns: dict[str, list[Any]] = {
        "agent_id": sorted(sees.agents),
        "device_id": phones,
        "device_alias": phones,
        "sgroup": sorted(group for group in sees.groups if group),
        "gate": sorted(gate for gate in sees.gates if gate),
    }
    return {name: values for name, values in columns.items() if values}


def seeks(columns: dict[str, list[Any]]) -> Iterator[tuple[str, Values]]:
    """The columns and values to find rows by, as much as one statement takes each."""
    for name, values in columns.items():
        for start in range(0, len(values), SEEK_AT_ONCE):
            yield name, values[start : start + SEEK_AT_ONCE]


def looks(columns: dict[str, list[Any]]) -> Iterator[dict[str, Values]]:
    """The values to look for in rows found otherwise, as much as one statement takes each."""
    if sum(map(len, columns.values())) <= LOOK_AT_ONCE:
        yield dict(columns)
        return
    for name, values in columns.items():
        for start in range(0, len(values), LOOK_AT_ONCE):
            yield {name: values[start : start + LOOK_AT_ONCE]}


def power_of_two(count: int) -> int:
    """The room for `count` values, so that few texts serve all numbers of them."""
    return 1 << (count - 1).bit_length()


def shape_of(columns: dict[str, Values]) -> Shape:
    """The shape whose condition takes these values."""
    return tuple((name, power_of_two(len(values))) for name, values in columns.items())


def bound(columns: dict[str, Values]) -> dict[str, Any]:
    """The values for the places of `condition`; the last one fills those that are left."""
    return {
        f"sees_{name}{place}": values[min(place, len(values) - 1)]
        for name, values in columns.items()
        for place in range(power_of_two(len(values)))
    }


def placed(values: Values) -> dict[str, Any]:
    """The values for the places place0, place1, ... of a statement with room for `power_of_two` of them."""
    return {f"place{place}": values[min(place, len(values) - 1)] for place in range(power_of_two(len(values)))}


def newest_of_each(
    table: sa.Table,
    column: sa.ColumnElement[Any],
    places: Sequence[sa.ColumnElement[Any]],
    conditions: Sequence[sa.ColumnElement[bool]],
    newest: Sequence[sa.ColumnElement[Any]],
) -> sa.ColumnElement[bool]:
    """A row is among the `count` newest of one of the values in `column`: each value's are found by its index."""
    each = [
        sa.select(
            sa.select(table.c.ident)
            .where(column == place, *conditions)
            .order_by(*newest)
            .limit(bindparam("count"))
            .subquery()
        )
        for place in places
    ]
    return table.c.ident.in_(sa.union_all(*each))


def condition(shape: Shape, table: sa.Table = RECORDINGS) -> sa.ColumnElement[bool]:
    """A row has one of the values in one of the columns; written so that no index answers for it."""
    return sa.or_(
        *(
            unindexed(table.c[name]).in_([bindparam(f"sees_{name}{place}") for place in range(places)])
            for name, places in shape
        )
    )


def unindexed(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The value of `column`, written so that no index answers for it."""
    return column + sa.literal_column("0") if column.type.python_type is int else column.concat(sa.literal_column("''"))
