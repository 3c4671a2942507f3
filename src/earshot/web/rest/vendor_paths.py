"""The paths of the vendor's later JSON calls (reference.md 12), which clients write in any letter case.

The one rule: the routes know one spelling, and `spelt` gives it.
"""

from typing import Final

AGENT: Final = "/Agent"
ALL_AGENTS: Final = "/Agent/GetAll"
RECORD_START: Final = "/Record/StartForAgent"
RECORD_UPDATE: Final = "/Record/UpdateForAgent"
RECORD_STOP: Final = "/Record/StopForAgent"
BLACKOUT_START: Final = "/Blackout/StartForAgent"
BLACKOUT_STOP: Final = "/Blackout/StopForAgent"
SINGLE_EXPORT: Final = "/WebExport/SingleExport"
MULTI_EXPORT: Final = "/WebExport/MultiExport"
COMBINED_EXPORT: Final = "/WebExport/CombinedExport"
PATHS: Final = (
    AGENT,
    ALL_AGENTS,
    RECORD_START,
    RECORD_UPDATE,
    RECORD_STOP,
    BLACKOUT_START,
    BLACKOUT_STOP,
    SINGLE_EXPORT,
    MULTI_EXPORT,
    COMBINED_EXPORT,
)
"""All of them, below /api."""
_SPELT: Final = {f"/api{path}".lower(): f"/api{path}" for path in PATHS}


def spelt(path: str) -> str:
    """`path` as the routes know it, if it is one of the vendor's in any letter case; else `path`."""
    return _SPELT.get(path.lower().rstrip("/"), path)
