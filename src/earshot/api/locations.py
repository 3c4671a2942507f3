"""Locations (LOCATIONID of IMPORTWORKSTATION): whether one is known. The list is kept in `ports.preferences`.

The specification has no error for a location that is not in the list, and mappings must not be lost over one: it is
accepted, with a warning in the log. With the setting `strict_locations` it is API_INVALID_MESSAGE_FORMAT.
"""

from earshot.api.context import Context, log
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_FORMAT, Result, failed

FIRST, LAST = 1, 2**31 - 1


async def refused_location(context: Context, request: Request, number: int) -> Result | None:
    """Why a mapping to that location is refused; None if it is not. Raises StoreUnavailable."""
    if not FIRST <= number <= LAST:
        return failed(request, INVALID_FORMAT, "LOCATIONID must be 1 or more")
    if any(location.number == number for location in await context.locations.locations()):
        return None
    if context.settings.strict_locations:
        return failed(request, INVALID_FORMAT, f"There is no location {number}")
    log.warning("location_unknown", location=number, station=request.get("STATIONNAME"))
    return None
