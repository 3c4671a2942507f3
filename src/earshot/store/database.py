"""What the statements of the store ask of a database: one read, one transaction to write.

No statements and no dialect: `sqlite` implements it, another database would do so beside it. The one rule: whatever
goes wrong with the database itself leaves here as `StoreUnavailable`, never as an error of a library, and never late.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]
"""Column values as the driver gives them, in the order the statement selects them."""


class Query:
    """A select whose text is made once and run many times; its values are `sqlalchemy.bindparam`s by name.

    Making the text costs more than most of the queries themselves, so it is kept.
    """

    __slots__ = ("_text", "_values", "statement")

    def __init__(self, statement: sa.Select[Any] | sa.CompoundSelect[Any]) -> None:
        self.statement = statement
        self._text = ""
        self._values: dict[str, Any] = {}

    def compiled(self, dialect: sa.Dialect) -> tuple[str, dict[str, Any]]:
        """The text in `dialect` and the values written into the statement itself. One dialect for ever."""
        if not self._text:
            compiled = self.statement.compile(dialect=dialect)
            self._values = {name: value for name, value in compiled.params.items() if value is not None}
            self._text = str(compiled)
        return self._text, self._values


class Insert:
    """An insert of whole rows whose text is made once; a row whose `key` is there already is left as it is.

    Rows are tuples of all columns but `ident`, in the order of the table. Naming every value of every row, as a
    statement of the library wants it, costs several times what the database does.
    """

    __slots__ = ("_text", "table")

    def __init__(self, table: sa.Table) -> None:
        self.table = table
        self._text = ""

    async def run(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Put `rows` in, in their order. One dialect for ever."""
        if not self._text:
            columns = [column.name for column in self.table.columns if column.name != "ident"]
            insert = sa.insert(self.table).inline().compile(dialect=connection.dialect, column_keys=columns)
            self._text = f'{insert} ON CONFLICT ("key") DO NOTHING'
        await connection.exec_driver_sql(self._text, list(rows))


class Database(Protocol):
    """A database with the tables of `tables`. Every method raises `StoreUnavailable`."""

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises SchemaTooNew and DatabaseDamaged."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    async def read(self, query: Query, **values: Any) -> Sequence[Row]:
        """All rows of `query` with `values` in its places; inside a `write` of this task, with what it wrote."""
        ...

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction, serialised with all others from its start; an exception inside undoes it.

        Inside another `write` of the same task it is a part of that one: all is kept or nothing, and an exception in a
        part undoes the whole, even if it is caught there. Another task waits for the end: no part may be left to one.

        Raises `earshot.ports.NotUnique` and `NotFound` where a constraint of the tables says so.
        """
        ...
