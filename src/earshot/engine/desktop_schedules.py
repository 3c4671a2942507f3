"""When the timed schedules of desktops have a capture running.

Pure. A `desktop` schedule holds within its days and times. With `every_minutes` a capture begins each so many minutes,
counted from the begin of the times, and lasts `max_length_s` (a minute where none is set); without, one capture lasts
for the whole of the times, or `max_length_s` of them. The one rule: the clock on the wall alone says which capture a
moment belongs to, so that a restart goes on with the one that runs.
"""

from datetime import tzinfo
from zoneinfo import ZoneInfo

from earshot.engine.criteria import Times, local_time
from earshot.engine.schedule_values import Schedule

USUAL_S = 60
DAY_MINUTES = 24 * 60


def begin_of(schedule: Schedule, at: float, zone: tzinfo) -> int | None:
    """When the capture began that runs at the moment `at` (both in whole seconds since the epoch); None when none does.
    `zone` is that of schedules which name none."""
    if not schedule.active or schedule.kind != "desktop":
        return None
    if schedule.starts_at is not None and at < schedule.starts_at:
        return None
    if schedule.ends_at is not None and at >= schedule.ends_at:
        return None
    times = Times.of(schedule)
    local = local_time(at, ZoneInfo(schedule.zone) if schedule.zone else zone)
    minute = local.hour * 60 + local.minute
    if not times.hold(minute, local.weekday()):
        return None
    since_s = (minute - times.first) % DAY_MINUTES * 60 + local.second
    length_s = schedule.max_length_s
    if schedule.every_minutes:
        since_s %= schedule.every_minutes * 60
        length_s = min(length_s or USUAL_S, schedule.every_minutes * 60)
    return None if length_s and since_s >= length_s else int(at) - since_s
