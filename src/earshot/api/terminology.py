"""FETCHTERMINOLOGY: what the fields are called in this house, and how that is changed.

The terms are one setting of `ports.preferences`: which preset, and what was changed against it. A preset is what the
kind of phone system calls things (reference.md 10). The one rule: the ten names of the specification's example are
always there, in its order; more may follow.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from earshot.api.context import Context
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports.preferences import Preferences
from earshot.protocol.decode import Request
from earshot.protocol.results import Result, failed, ok

TERMINOLOGY = "terminology"
"""The name of the setting."""
LONGEST = 100

CUSTOM = MappingProxyType(
    {
        "agent": "Agent",
        "ani": "CallerID ANI",
        "callcopygroup": "QA Group",
        "devicealias": "Agent Number",
        "deviceid": "Voice Port",
        "dnis": "Number Called DNIS",
        "gate": "ACD Gate",
        "group": "Group",
        **{f"user{number}": f"User {number}" for number in range(1, 3)},
    }
)
"""The names that FETCHTERMINOLOGY gives until somebody changes them, all ten of the specification's example."""

MORE_NAMES = (*(f"user{number}" for number in range(3, 16)), "callid", "calldirection", "station", "location", "screen")
"""Further names that may be given a term; they are listed once they have one."""

PRESETS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "eOn": MappingProxyType({**CUSTOM, "agent": "Agent", "deviceid": "Voice Port", "gate": "ACD Gate"}),
        "Alcatel": MappingProxyType(
            {**CUSTOM, "deviceid": "Set", "devicealias": "Agent ID", "gate": "Pilot", "group": "Processing Group"}
        ),
        "Aspect": MappingProxyType(
            {
                **CUSTOM,
                "deviceid": "Instrument",
                "devicealias": "Agent ID",
                "gate": "Application",
                "group": "Agent Group",
            }
        ),
        "Avaya": MappingProxyType(
            {**CUSTOM, "deviceid": "Station", "devicealias": "Agent Login ID", "gate": "VDN", "group": "Skill"}
        ),
        "Custom": CUSTOM,
    }
)
"""The presets by the names that reference.md 10 gives; what they call things was not published and is ours."""


def preset_named(name: str) -> str:
    """The preset whatever the letter case. Raises BadInput."""
    for known in PRESETS:
        if known.casefold() == name.strip().casefold():
            return known
    raise BadInput(f"there is no preset {name!r}: there are {', '.join(PRESETS)}")


def terms_of(kept: Any) -> dict[str, str]:
    """All terms by name, of what the setting holds (None: nothing was ever changed). What is not understood in it is
    left out: a damaged setting must not take the words away."""
    kept = kept if isinstance(kept, dict) else {}
    base = PRESETS.get(str(kept.get("preset", "")), CUSTOM)
    own = kept.get("terms")
    own = own if isinstance(own, dict) else {}
    changed = {name: str(own[name]) for name in (*CUSTOM, *MORE_NAMES) if own.get(name)}
    return {**base, **changed}


async def read_terms(preferences: Preferences) -> dict[str, str]:
    """The terms as they are now. Raises StoreUnavailable."""
    kept = await preferences.preference(TERMINOLOGY)
    return terms_of(kept.value if kept is not None else None)


async def page_terms(preferences: Preferences) -> dict[str, str]:
    """The terms for the pages: none where nobody ever changed one. Raises StoreUnavailable."""
    kept = await preferences.preference(TERMINOLOGY)
    return terms_of(kept.value) if kept is not None else {}


async def change_term(preferences: Preferences, name: str, term: str, by: str) -> dict[str, str]:
    """Call `name` by `term`, or by the preset's again where it is blank. Raises BadInput, StoreUnavailable."""
    name, term = name.strip().casefold(), term.strip()
    if name not in CUSTOM and name not in MORE_NAMES:
        raise BadInput(f"there is no term {name!r}: there are {', '.join((*CUSTOM, *MORE_NAMES))}")
    if len(term) > LONGEST or not term.isprintable():
        raise BadInput(f"a term has at most {LONGEST} characters, all of them visible")
    kept = await preferences.preference(TERMINOLOGY)
    value = kept.value if kept is not None and isinstance(kept.value, dict) else {}
    own = value.get("terms")
    terms = {**(own if isinstance(own, dict) else {}), name: term}
    terms = {known: words for known, words in terms.items() if words}
    changed = {"preset": value.get("preset", "Custom"), "terms": terms}
    return terms_of((await preferences.set_preference(TERMINOLOGY, changed, by)).value)


async def choose_preset(preferences: Preferences, name: str, by: str) -> dict[str, str]:
    """Use the words of that preset; own ones are dropped, but for Custom, which keeps them. Raises BadInput,
    StoreUnavailable."""
    preset = preset_named(name)
    kept = await preferences.preference(TERMINOLOGY)
    terms = terms_of(kept.value if kept is not None else None)
    own = {known: words for known, words in terms.items() if CUSTOM.get(known) != words} if preset == "Custom" else {}
    value = {"preset": preset, "terms": own}
    return terms_of((await preferences.set_preference(TERMINOLOGY, value, by)).value)


async def fetch_terminology(context: Context, request: Request) -> Result:
    """List the terms."""
    try:
        terms = await read_terms(context.preferences)
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    nodes = tuple(("TERMINOLOGY", (("NAME", name), ("VALUE", value))) for name, value in terms.items())
    return ok(request, body=(("COUNT", str(len(nodes))), ("SETTINGS", nodes)))
