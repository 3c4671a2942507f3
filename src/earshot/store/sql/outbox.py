"""Statements about mail that waits to be sent.

The one rule: a mail is claimed inside a transaction that no second process can be in, so that one of them sends it.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.ports import NotUnique
from earshot.ports.outbox import INTERRUPTED, Mail, MailState
from earshot.store.database import Database, Query, Row
from earshot.store.outbox_tables import OUTBOX

O = OUTBOX.c  # noqa: E741
COLUMNS = tuple(OUTBOX.columns)
WAITING = ("queued", "failed", "sending")
DUE = Query(
    sa.select(O.ident)
    .where(O.state.in_([sa.literal_column(f"'{state}'") for state in WAITING]), O.next_attempt_at <= bindparam("now"))
    .order_by(O.next_attempt_at, O.ident)
    .limit(bindparam("count"))
)
ONE = Query(sa.select(*COLUMNS).where(O.ident == bindparam("ident")))
COUNTS = Query(sa.select(O.state, sa.func.count()).group_by(O.state))
NEWEST = sa.select(*COLUMNS).where(O.ident < bindparam("before")).order_by(O.ident.desc()).limit(bindparam("count"))
OF_ALL = Query(NEWEST)
OF_STATE = Query(NEWEST.where(O.state == bindparam("state")))
LAST = 2**63 - 1


def _columns(mail: Mail) -> dict[str, Any]:
    return {
        "message_id": mail.message_id,
        "to_address": mail.to,
        "to_name": mail.to_name,
        "from_address": mail.from_,
        "from_name": mail.from_name,
        "reply_to": mail.reply_to,
        "subject": mail.subject,
        "body": mail.text,
        "records": orjson.dumps(mail.records).decode(),
        "kind": mail.kind,
        "format": mail.format,
        "requested_by": mail.requested_by,
        "created_at": mail.created_at,
        "expires_at": mail.expires_at,
        "attempts": mail.attempts,
        "next_attempt_at": mail.next_attempt_at,
        "last_error": mail.last_error,
        "state": mail.state,
        "owner": mail.owner,
        "changed_at": mail.changed_at,
    }


def _mail(row: Row) -> Mail:
    """A row with all columns, in their order."""
    named = dict(zip((column.name for column in COLUMNS), row, strict=True))
    return Mail(
        number=named["ident"],
        to=named["to_address"],
        from_=named["from_address"],
        text=named["body"],
        records=tuple(orjson.loads(named["records"])),
        **{name: named[name] for name in SAME_NAMES},
    )


SAME_NAMES = tuple(name for name in Mail.__slots__ if name in OUTBOX.columns and name != "records")


class SqlOutbox:
    """The port `earshot.ports.outbox.Outbox` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, mails: Sequence[Mail]) -> tuple[int, ...]:
        """See `Outbox.add`."""
        numbers = []
        async with self._database.write() as connection:
            for mail in mails:
                taken = sa.select(O.ident).where(O.message_id == mail.message_id)
                if (await connection.execute(taken)).first() is not None:
                    raise NotUnique("message_id", mail.message_id)
                inserted = await connection.execute(sa.insert(OUTBOX).values(_columns(mail)).returning(O.ident))
                numbers.append(int(inserted.scalar_one()))
        return tuple(numbers)

    async def due(self, now: float, limit: int) -> list[int]:
        """See `Outbox.due`."""
        return [ident for (ident,) in await self._database.read(DUE, now=now, count=limit)] if limit > 0 else []

    async def claim(self, number: int, owner: str, now: float, until: float) -> Mail | None:
        """See `Outbox.claim`."""
        async with self._database.write() as connection:
            taken = await connection.execute(
                sa.update(OUTBOX)
                .where(O.ident == number, O.state.in_(WAITING), O.next_attempt_at <= now)
                .values(state="sending", owner=owner, attempts=O.attempts + 1, next_attempt_at=until, changed_at=now)
            )
            if taken.rowcount == 0:
                return None
            return _mail(tuple((await connection.execute(sa.select(*COLUMNS).where(O.ident == number))).one()))

    async def settle(self, mail: Mail, state: MailState, now: float, next_attempt_at: float, error: str) -> bool:
        """See `Outbox.settle`."""
        async with self._database.write() as connection:
            changed = await connection.execute(
                sa.update(OUTBOX)
                .where(O.ident == mail.number, O.state == "sending", O.owner == mail.owner, O.attempts == mail.attempts)
                .values(state=state, owner="", next_attempt_at=next_attempt_at, last_error=error, changed_at=now)
            )
            return changed.rowcount > 0

    async def mail(self, number: int) -> Mail | None:
        """See `Outbox.mail`."""
        if not 0 < number <= LAST:
            return None
        rows = await self._database.read(ONE, ident=number)
        return _mail(rows[0]) if rows else None

    async def mails(self, state: MailState | None, limit: int, before: int | None = None) -> list[Mail]:
        """See `Outbox.mails`."""
        if limit <= 0:
            return []
        values = {"count": limit, "before": LAST if before is None else before}
        if state is None:
            rows = await self._database.read(OF_ALL, **values)
        else:
            rows = await self._database.read(OF_STATE, state=state, **values)
        return [_mail(row) for row in rows]

    async def counts(self) -> dict[MailState, int]:
        """See `Outbox.counts`."""
        return dict(await self._database.read(COUNTS))

    async def retry(self, number: int, now: float, expires_at: float) -> bool:
        """See `Outbox.retry`."""
        if not 0 < number <= LAST:
            return False
        async with self._database.write() as connection:
            changed = await connection.execute(
                sa.update(OUTBOX)
                .where(O.ident == number, O.state.in_(("failed", "dead")))
                .values(state="queued", next_attempt_at=now, expires_at=expires_at, changed_at=now)
            )
            return changed.rowcount > 0

    async def drop(self, number: int) -> bool:
        """See `Outbox.drop`."""
        if not 0 < number <= LAST:
            return False
        async with self._database.write() as connection:
            gone = await connection.execute(sa.delete(OUTBOX).where(O.ident == number, O.state != "sending"))
            return gone.rowcount > 0

    async def release(self, owner: str, now: float) -> int:
        """See `Outbox.release`."""
        async with self._database.write() as connection:
            changed = await connection.execute(
                sa.update(OUTBOX)
                .where(O.state == "sending", O.owner == owner)
                .values(state="failed", owner="", next_attempt_at=now, last_error=INTERRUPTED, changed_at=now)
            )
            return changed.rowcount

    async def forget_sent(self, before: float) -> int:
        """See `Outbox.forget_sent`."""
        async with self._database.write() as connection:
            gone = await connection.execute(sa.delete(OUTBOX).where(O.state == "sent", O.changed_at < before))
            return gone.rowcount
