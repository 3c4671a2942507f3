"""Statements of blackouts: which sealed recordings a span reaches, and the renewal of what their rows say.

The one rule: hash, size, peaks and gaps of a row change together, in one transaction.
"""

from collections.abc import Collection, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from earshot.ports.blackouts import Decided, Renewed, SealedMedia
from earshot.store.database import Database, Query, Row
from earshot.store.fields import COLUMN_OF
from earshot.store.retention_tables import DECISIONS
from earshot.store.sql import holds
from earshot.store.sql.rows import as_legs, document
from earshot.store.sql.screen_retention import standing_on_screens
from earshot.store.tables import RECORDINGS

R, D = RECORDINGS.c, DECISIONS.c
RECORDING, SCREEN = "recording", "screen session"
WHO = ("agent_id", "device_id", "device_alias", "station", "session_id")
COLUMNS = (
    *(R.ident, R.call_key, R.recording_time, R.duration, R.object_name, R.media_type, R.audio_hash, R.gaps, R.legs),
    *(R[COLUMN_OF.get(name, name)] for name in WHO),
)
LONGEST_S = 7 * 86400.0
"""Recordings that began longer before a span than this are not looked at: none is that long."""


class SqlBlackouts:
    """The port `earshot.ports.blackouts.SealedMediaStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _where(self, *conditions: sa.ColumnElement[bool]) -> list[SealedMedia]:
        rows = await self._database.read(Query(sa.select(*COLUMNS).where(*conditions).order_by(R.ident)))
        return [_media(row) for row in rows]

    async def of_calls(self, keys: Collection[str]) -> list[SealedMedia]:
        """See `SealedMediaStore.of_calls`."""
        found: list[SealedMedia] = []
        for key in keys:
            found += await self._where(R.call_key == key)
        return sorted(found, key=lambda media: media.record_id)

    async def of_last_call(self, device_id: str, call_instance: str | None) -> list[SealedMedia]:
        """See `SealedMediaStore.of_last_call`."""
        conditions = [R.device_id == device_id]
        if call_instance is not None:
            conditions.append(R.callinstance == call_instance)
        last = sa.select(R.call_key).where(*conditions).order_by(R.recording_time.desc(), R.ident.desc()).limit(1)
        for (key,) in await self._database.read(Query(last)):
            return await self.of_calls([str(key)])
        return []

    async def of_agent(
        self, agent_id: int, phones: Collection[str], devices: Mapping[str, str], since: float, until: float
    ) -> list[SealedMedia]:
        """See `SealedMediaStore.of_agent`."""
        whose: list[sa.ColumnElement[bool]] = [R.agent_id == agent_id] if agent_id else []
        for phone in phones:
            whose += [R.device_id == phone, R.device_alias == phone]
        for device, alias in devices.items():
            nobody_else = sa.or_(R.device_alias == "", R.device_alias == alias)
            whose.append(sa.and_(R.device_id == device, nobody_else))
        if not whose:
            return []
        return await self._where(
            R.recording_time > since - LONGEST_S,
            R.recording_time < until,
            R.recording_time + R.duration > since,
            sa.or_(*whose),
        )

    async def renew(self, record_id: int, renewed: Renewed, object_name: str | None = None) -> bool:
        """See `SealedMediaStore.renew`."""
        values: dict[str, Any] = {
            "audio_hash": renewed.audio_sha256,
            "audio_size": renewed.audio_size,
            "peaks": renewed.peaks,
            "peaks_per_second": renewed.peaks_per_second,
            "gaps": document(renewed.gaps),
            **({"legs": document(renewed.legs)} if renewed.legs is not None else {}),
        }
        async with self._database.write() as connection:
            same = [R.ident == record_id, *([] if object_name is None else [R.object_name == object_name])]
            changed = await connection.execute(sa.update(RECORDINGS).where(*same).values(values))
            return changed.rowcount > 0

    async def decide(
        self, span: tuple[int, int], recordings: Collection[int], screens: Collection[int], *, together: bool
    ) -> Decided:
        """See `SealedMediaStore.decide`."""
        async with self._database.write() as connection:
            of_span = (D.from_us == span[0], D.until_us == span[1])
            known = {(what, one) for what, one in await connection.execute(sa.select(D.what, D.number).where(*of_span))}
            fresh = [one for one in recordings if (RECORDING, one) not in known]
            await holds.cover(connection, fresh)
            decided = Decided(
                held=await holds.standing_on(connection, fresh),
                held_screens=await standing_on_screens(
                    connection, [one for one in screens if (SCREEN, one) not in known]
                ),
                begun=bool(known),
            )
            rows = [
                {"what": what, "number": one, "from_us": span[0], "until_us": span[1]}
                for what, numbers, held in (
                    (RECORDING, recordings, decided.held),
                    (SCREEN, screens, decided.held_screens),
                )
                for one in numbers
                if (what, one) not in known and one not in held
            ]
            if rows and not (together and decided.is_refused):
                await connection.execute(sa.insert(DECISIONS), rows)
        return decided

    async def settle(self, span: tuple[int, int]) -> None:
        """See `SealedMediaStore.settle`."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(DECISIONS).where(D.from_us == span[0], D.until_us == span[1]))

    async def mark(self, record_id: int, gaps: tuple[tuple[float, float, str], ...]) -> bool:
        """See `SealedMediaStore.mark`."""
        async with self._database.write() as connection:
            marked = sa.update(RECORDINGS).where(R.ident == record_id).values(gaps=document(gaps))
            return (await connection.execute(marked)).rowcount > 0


def _media(row: Row) -> SealedMedia:
    ident, call_key, recording_time, duration, object_name, media_type, audio_hash, gaps, legs, *who = row
    return SealedMedia(
        record_id=ident,
        call_key=call_key,
        recording_time=recording_time,
        duration_s=duration,
        object_name=object_name,
        media_type=media_type,
        audio_sha256=audio_hash,
        gaps=tuple((start, end, why) for start, end, why in orjson.loads(gaps)),
        legs=as_legs(legs),
        **dict(zip(WHO, who, strict=True)),
    )
