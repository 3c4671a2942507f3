"""Statements of blackouts: which sealed recordings a span reaches, and the renewal of what their rows say.

The one rule: hash, size, peaks and gaps of a row change together, in one transaction.
"""

from collections.abc import Collection, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from earshot.ports.blackouts import Renewed, SealedMedia
from earshot.store.database import Database, Query, Row
from earshot.store.sql.rows import document
from earshot.store.tables import RECORDINGS

R = RECORDINGS.c
COLUMNS = (R.ident, R.call_key, R.recording_time, R.duration, R.object_name, R.media_type, R.audio_hash, R.gaps)
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
        }
        async with self._database.write() as connection:
            same = [R.ident == record_id, *([] if object_name is None else [R.object_name == object_name])]
            changed = await connection.execute(sa.update(RECORDINGS).where(*same).values(values))
            return changed.rowcount > 0

    async def mark(self, record_id: int, gaps: tuple[tuple[float, float, str], ...]) -> bool:
        """See `SealedMediaStore.mark`."""
        async with self._database.write() as connection:
            marked = sa.update(RECORDINGS).where(R.ident == record_id).values(gaps=document(gaps))
            return (await connection.execute(marked)).rowcount > 0


def _media(row: Row) -> SealedMedia:
    ident, call_key, recording_time, duration, object_name, media_type, audio_hash, gaps = row
    return SealedMedia(
        record_id=ident,
        call_key=call_key,
        recording_time=recording_time,
        duration_s=duration,
        object_name=object_name,
        media_type=media_type,
        audio_sha256=audio_hash,
        gaps=tuple((start, end, why) for start, end, why in orjson.loads(gaps)),
    )
