"""Statements about stations: which computer stands at which device.

The one rule: a station has one device and a device one station; a new mapping removes what contradicts it.
"""

import sqlalchemy as sa

from earshot.ports import Station
from earshot.store.database import Database, Query
from earshot.store.tables import STATIONS

S = STATIONS.c
ALL_STATIONS = Query(sa.select(S.station, S.device_id, S.location_id).order_by(S.ident))


class Stations:
    """The part of the port that speaks of stations."""

    _database: Database

    async def stations(self) -> list[Station]:
        """See `earshot.ports.Store.stations`."""
        rows = await self._database.read(ALL_STATIONS)
        return [
            Station(station=station, device_id=device_id, location_id=location_id)
            for station, device_id, location_id in rows
        ]

    async def map_station(self, station: Station) -> Station:
        """See `earshot.ports.Store.map_station`."""
        columns = {"station": station.station, "device_id": station.device_id, "location_id": station.location_id}
        async with self._database.write() as connection:
            either = sa.or_(S.station == station.station, S.device_id == station.device_id)
            await connection.execute(sa.delete(STATIONS).where(either))
            await connection.execute(sa.insert(STATIONS).values(columns))
        return station
