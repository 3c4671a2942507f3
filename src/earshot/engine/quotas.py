"""Counting: Set Number and the percentages, exact however long they run.

Pure: a counter and a call in, a counter and a verdict out. A percentage is spread by carrying what is owed from call to
call, so that of n calls exactly floor(n x percent) are taken. The one rule: a clock that is set, forward or back, finds
the count of the window it comes to, and never a fresh one for a window that was counted already.
"""

from datetime import datetime

from earshot.engine.schedule_values import Quota, Window

WHOLE = 10_000
"""A hundred percent, in the unit of `Quota.carry`."""
WINDOWS_KEPT = 4
"""How many windows a counter remembers: those to which a clock that is set back may return."""


def step_of(percent: float) -> int:
    """What a percentage owes of each call, in the unit of `Quota.carry`."""
    return round(percent * WHOLE / 100)


def take_percentage(quota: Quota, step: int) -> tuple[Quota, bool]:
    """The counter after one more call of which `step` is owed, and whether that call is taken."""
    carry = quota.carry + step
    taken = carry >= WHOLE
    return Quota(carry=carry - WHOLE if taken else carry, taken=quota.taken), taken


def take_number(quota: Quota, window: str, count: int) -> tuple[Quota, bool]:
    """The counter after one more call in `window`, and whether it is one of the first `count` there."""
    before = quota.taken.get(window, 0)
    if before >= count:
        return quota, False
    kept = [one for one in quota.taken.items() if one[0] != window][1 - WINDOWS_KEPT :]
    return Quota(carry=quota.carry, taken={**dict(kept), window: before + 1}), True


def window_of(window: Window, at: float, local: datetime) -> str:
    """The name of the window that a moment lies in: `at` in seconds since the epoch, `local` the same on the schedule's
    wall. Hours are those of the clock that knows no summer time, so that the one that comes twice is two."""
    if window == "hour":
        return f"h{int(at // 3600)}"
    if window == "day":
        return local.strftime("%Y-%m-%d")
    if window == "week":
        year, week, _ = local.isocalendar()
        return f"{year}-w{week:02}"
    return local.strftime("%Y-%m") if window == "month" else "ever"
