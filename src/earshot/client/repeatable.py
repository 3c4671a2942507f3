"""Which commands may be sent again after the connection broke, because twice is the same as once.

The one rule: a command stands here only if it asks and changes nothing, or if the table says that a second time is a
success that changes nothing.
"""

from collections.abc import Iterable
from typing import Final

REPEATABLE: Final = frozenset(
    {
        "TEST",
        "DEVICELIST",
        "DEVICESTATUS",
        "DEVICERECORDINGSTATUS",
        "SYSTEMSTATUS",
        "CHANNELS",
        "STATIONS",
        "FETCHTERMINOLOGY",
        "CALLLIST",
        "AGENTWINDOW",
        "ADDGROUP",
        "IMPORTWORKSTATION",
        "MODIFYGROUPPERMISSION",
        "EXPORT",
        "COMBINEDEXPORT",
        "MULTIEXPORT",
    }
)
"""All others are sent once. So is CALLSTART, since a second one ends the call of the first, and so are CALLSTOP and
CALLUPDATE, since "the last call on the device" may be another by then. IMPORTUSER is here with ACTION LIST alone."""


def is_repeatable(command: str, pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether this request may be sent again without knowing what became of it."""
    return command in REPEATABLE or (command == "IMPORTUSER" and ("ACTION", "LIST") in pairs)
