"""The catalogue of permissions: what a role can allow, and which of them each command needs.

The names a client sends (PERMISSIONNAME) are those of the original product's portal without "Allow", spaces and signs,
in capitals (reference.md 9); the portal's own words are read as well. Only data lives here. The one rule: whatever a
person or a program can do is in this table, so that a role can allow it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from earshot.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One permission: `name` is PERMISSIONNAME, `portal` its words on a page, `sentence` what it allows."""

    name: str
    portal: str
    section: str
    sentence: str


def _plain(text: str) -> str:
    """What names are compared by: capitals and digits only, without a leading ALLOW."""
    return re.sub(r"[^A-Z0-9]", "", text.upper()).removeprefix("ALLOW")


def _section(section: str, *rows: tuple[str, str]) -> tuple[Permission, ...]:
    return tuple(
        Permission(name=_plain(portal), portal=portal, section=section, sentence=sentence) for portal, sentence in rows
    )


CATALOGUE: tuple[Permission, ...] = (
    *_section(
        "General Administration",
        ("Allow User Administration", "Add, change, delete and list users, their phones and their roles."),
        ("Allow Role Administration", "Add, change and delete roles, and decide what each of them allows."),
        ("Allow Group Administration", "Add QA groups and put phones into them."),
        ("Allow Password Changes", "Change one's own password."),
        ("Allow API Tokens", "Make and withdraw API tokens of one's own."),
        ("Allow Audit Trail Viewing", "Search and export the audit trail."),
        ("Allow Home Page Widgets", "See figures of the day on the home page."),
    ),
    *_section(
        "System",
        ("Allow System Configuration", "Change settings, terminology, stations and webhooks."),
        ("Allow Viewing of System Status", "See channels, devices, stations, finished calls and the machine."),
        ("Allow Call Control", "Start, stop and update calls, partial recordings and screen sessions."),
        ("Allow Scheduling", "Change the rules that decide what is recorded."),
        ("Allow Archive Administration", "Change archive actions and how long recordings are kept."),
        ("Allow Legal Hold", "Put recordings on legal hold, and end it."),
    ),
    *_section(
        "Recordings",
        ("Allow Viewing of Own Recordings", "Be shown the recordings that one is the agent of."),
        (
            "Allow Viewing All Call Records & QA Evaluations",
            "Be shown the recordings and evaluations of everybody, whatever the groups of the role.",
        ),
        ("Allow Recording Search", "List and search the recordings that one is shown."),
        ("Allow Recording Playback", "Listen to them, by the player and by playback links."),
        ("Allow Recording Export", "Export them as files."),
        ("Allow Recording Email", "Send them by e-mail."),
        ("Allow Recording Update", "Change the call variables of finished recordings."),
        ("Allow Recording Record and File Deletes", "Delete recordings and their files."),
        ("Allow Bookmarking", "Set bookmarks and notes in them."),
        ("Allow Live Call Monitoring", "Listen to calls while they run, and see the windows of agents."),
        ("Allow Blackouts", "Begin and end blackouts in calls that run."),
        ("Allow Blackouts After the Fact", "Remove spans of time that are recorded already."),
        ("Allow Hearing Blackouts", "Hear what blackouts hid from everybody else (Standard mode)."),
    ),
    *_section(
        "Coaching",
        ("Allow Viewing of QA Evaluations", "Read evaluations of the recordings that one is shown."),
        ("Allow Performing QA Evaluations", "Evaluate the recordings that one is shown."),
    ),
    *_section("Reporting", ("Allow Reporting", "Run and export reports.")),
)
"""Every permission, in the order in which pages show them."""

USER_ADMINISTRATION = "USERADMINISTRATION"
ROLE_ADMINISTRATION = "ROLEADMINISTRATION"
GROUP_ADMINISTRATION = "GROUPADMINISTRATION"
PASSWORD_CHANGES = "PASSWORDCHANGES"
API_TOKENS = "APITOKENS"
AUDIT_TRAIL = "AUDITTRAILVIEWING"
HOME_PAGE_WIDGETS = "HOMEPAGEWIDGETS"
SYSTEM_CONFIGURATION = "SYSTEMCONFIGURATION"
SYSTEM_STATUS = "VIEWINGOFSYSTEMSTATUS"
CALL_CONTROL = "CALLCONTROL"
SCHEDULING = "SCHEDULING"
ARCHIVE_ADMINISTRATION = "ARCHIVEADMINISTRATION"
LEGAL_HOLD = "LEGALHOLD"
OWN_RECORDINGS = "VIEWINGOFOWNRECORDINGS"
ALL_RECORDINGS = "VIEWINGALLCALLRECORDSQAEVALUATIONS"
SEARCH = "RECORDINGSEARCH"
PLAYBACK = "RECORDINGPLAYBACK"
EXPORT = "RECORDINGEXPORT"
EMAIL = "RECORDINGEMAIL"
UPDATE = "RECORDINGUPDATE"
DELETE = "RECORDINGRECORDANDFILEDELETES"
BOOKMARKING = "BOOKMARKING"
LIVE_MONITORING = "LIVECALLMONITORING"
BLACKOUTS = "BLACKOUTS"
BLACKOUTS_AFTER = "BLACKOUTSAFTERTHEFACT"
HEARING_BLACKOUTS = "HEARINGBLACKOUTS"
VIEW_EVALUATIONS = "VIEWINGOFQAEVALUATIONS"
PERFORM_EVALUATIONS = "PERFORMINGQAEVALUATIONS"
REPORTING = "REPORTING"

BY_NAME: Mapping[str, Permission] = MappingProxyType({permission.name: permission for permission in CATALOGUE})


def permission_named(text: str) -> Permission:
    """The permission that a client means, in any letter case, with or without "Allow", spaces and signs.

    Raises BadInput with a sentence for the client (reference.md 9: unknown is API_INVALID_MESSAGE_FORMAT).
    """
    found = BY_NAME.get(_plain(text))
    if found is None:
        raise BadInput(f"There is no permission {text}")
    return found


NEEDED: Mapping[str, str | None] = MappingProxyType(
    {
        "TEST": None,
        "FETCHTERMINOLOGY": None,
        **dict.fromkeys(("CALLSTART", "CALLSTOP", "CALLUPDATE", "RECORDSTART", "RECORDSTOP"), CALL_CONTROL),
        **dict.fromkeys(("CHATSTART", "CHATSTOP", "CHATUPDATE"), CALL_CONTROL),
        **dict.fromkeys(("BLACKOUTSTART", "BLACKOUTSTOP", "AGENTBLACKOUTSTART", "AGENTBLACKOUTSTOP"), BLACKOUTS),
        **dict.fromkeys(("DEVICELIST", "DEVICESTATUS", "DEVICERECORDINGSTATUS"), SYSTEM_STATUS),
        **dict.fromkeys(("SYSTEMSTATUS", "CHANNELS", "STATIONS"), SYSTEM_STATUS),
        "AGENTWINDOW": LIVE_MONITORING,
        "CALLLIST": SEARCH,
        **dict.fromkeys(("EXPORT", "COMBINEDEXPORT", "MULTIEXPORT"), EXPORT),
        **dict.fromkeys(("EMAIL", "COMBINEDEMAIL"), EMAIL),
        **dict.fromkeys(("IMPORTUSER", "IMPORTAGENTPHONE", "MODIFYUSERROLE"), USER_ADMINISTRATION),
        "IMPORTWORKSTATION": SYSTEM_CONFIGURATION,
        **dict.fromkeys(("ADDGROUP", "MODIFYGROUPPERMISSION"), GROUP_ADMINISTRATION),
        **dict.fromkeys(("MODIFYROLE", "MODIFYROLEGROUPPERMISSION", "MODIFYROLEPERMISSION"), ROLE_ADMINISTRATION),
    }
)
"""Command to the permission that a person or a token needs for it; None where a login is enough."""


def needed(command: str, params: Mapping[str, str]) -> frozenset[str]:
    """The permissions that this request needs, all of them; `params` by canonical name. Raises KeyError for a command
    that does not exist. A CALLUPDATE that can change a finished recording needs the permission to update those too,
    and a blackout that reaches back the one for blackouts after the fact."""
    first = NEEDED[command]
    wanted = set() if first is None else {first}
    if command == "CALLUPDATE" and params.get("RECORDID"):
        wanted = {UPDATE}
    elif command == "CALLUPDATE" and params.get("UPDATE_IF_NOT_RECORDING") == "Y":
        wanted.add(UPDATE)
    elif first == BLACKOUTS and params.get("TIMEOFFSET", "").startswith("-"):
        wanted.add(BLACKOUTS_AFTER)
    return frozenset(wanted)
