"""Every parameter the protocol knows, each once: its name, its spellings, what values it takes.

What does not live here: which command takes which parameter (`commands/`).
The one rule: a value is checked and brought to its one form by its kind, a row of `KINDS`, never by its name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Self

from earshot.errors import BadInput
from earshot.protocol.results import INVALID_ACTION, INVALID_FORMAT

ID_LIMIT = 255
TEXT_LIMIT = 4000
LIST_LIMIT = 65_536

Kind = Literal["text", "integer", "count", "seconds", "unixtime", "flag", "direction", "list", "key", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. `name` is the canonical wire name; `spellings` are further names it is accepted under.

    Names are read in any letter case and with or without their underscores. `limit` is the longest value in
    characters. `blank_clears` says that an empty element in an update empties the field instead of leaving it alone
    (reference.md 14.3, CALLUPDATE). `choices` belongs to the kind "choice"; `wrong` is the label for a bad value.
    """

    name: str
    meaning: str
    kind: Kind = "text"
    spellings: tuple[str, ...] = ()
    limit: int = ID_LIMIT
    blank_clears: bool = False
    choices: tuple[str, ...] = ()
    wrong: str = INVALID_FORMAT

    def allowing(self, *choices: str) -> Self:
        """The same parameter with another set of choices: ACTION differs from command to command."""
        return replace(self, choices=choices)

    def accepted_names(self) -> tuple[str, ...]:
        """Every name this parameter is read under, in upper case, the canonical one first."""
        names: dict[str, None] = {}
        for name in (self.name, *self.spellings):
            names[name] = None
            names[name.replace("_", "")] = None
        return tuple(names)

    def normal(self, value: str) -> str:
        """`value` in its one form. Raises BadInput with a sentence for the client when it is not acceptable."""
        if len(value) > self.limit:
            raise BadInput(f"{self.name} is longer than {self.limit} characters")
        return KINDS[self.kind](self, value) if value else value


def _pattern(expression: str, wanted: str) -> Callable[[Parameter, str], str]:
    matches = re.compile(expression, re.ASCII).fullmatch

    def check(parameter: Parameter, value: str) -> str:
        if matches(value) is None:
            raise BadInput(f"{parameter.name} must be {wanted}")
        return value

    return check


def _words(table: dict[str, str], wanted: str) -> Callable[[Parameter, str], str]:
    def check(parameter: Parameter, value: str) -> str:
        word = table.get(value.upper())
        if word is None:
            raise BadInput(f"{parameter.name} must be {wanted}")
        return word

    return check


def _as_it_is(_: Parameter, value: str) -> str:
    return value


def _comma_list(_: Parameter, value: str) -> str:
    return ",".join(item for item in (part.strip() for part in value.split(",")) if item)


def _key(_: Parameter, value: str) -> str:
    return "" if value.strip("0") == "" else value


def _choice(parameter: Parameter, value: str) -> str:
    word = value.upper()
    if word not in parameter.choices:
        what = "actions" if parameter.name == "ACTION" else f"values of {parameter.name}"
        raise BadInput(f"Allowed {what} are {', '.join(parameter.choices)}")
    return word


_FLAGS = {"Y": "Y", "YES": "Y", "1": "Y", "TRUE": "Y", "T": "Y", "N": "N", "NO": "N", "0": "N", "FALSE": "N", "F": "N"}
_DIRECTIONS = {"I": "I", "IN": "I", "INBOUND": "I", "O": "O", "OUT": "O", "OUTBOUND": "O"}

KINDS: MappingProxyType[str, Callable[[Parameter, str], str]] = MappingProxyType(
    {
        "text": _as_it_is,
        "integer": _pattern(r"[+-]?\d{1,9}", "a whole number"),
        "count": _pattern(r"\d{1,9}", "a whole number, 0 or more"),
        "seconds": _pattern(r"[+-]?\d{1,9}(\.\d{1,6})?", "a number of seconds"),
        "unixtime": _pattern(r"-?\d{1,11}(\.\d{1,6})?", "a Unix time in seconds"),
        "flag": _words(_FLAGS, "Y or N"),
        "direction": _words(_DIRECTIONS, "I or O"),
        "list": _comma_list,
        "key": _key,
        "choice": _choice,
    }
)
"""What each kind does with a value that is not blank. "key" reads 0 as absent (reference.md, IMPORTAGENTPHONE)."""

KIND_WORDS = MappingProxyType(
    {
        "text": "text",
        "integer": "whole number, may be negative",
        "count": "whole number",
        "seconds": "seconds, may be negative",
        "unixtime": "Unix time in seconds",
        "flag": "Y or N (also 1/0, true/false)",
        "direction": "I or O",
        "list": "comma-separated list",
        "key": "number; 0 counts as absent",
        "choice": "one of",
    }
)
"""The kinds in words, for the reference."""

DEVICEID = Parameter(
    name="DEVICEID", spellings=("DEVICE_ID",), meaning="Number of the phone or voice port, usually the extension."
)
DEVICEALIAS = Parameter(
    name="DEVICEALIAS", spellings=("DEVICE_ALIAS",), meaning="The agent's number on the device (free seating)."
)
STATIONNAME = Parameter(
    name="STATIONNAME",
    spellings=("STATION_NAME", "STATION", "COMPUTERNAME", "COMPUTER_NAME"),
    meaning="Computer that is mapped to a device.",
)
SYS_USER = Parameter(name="SYS_USER", meaning="The agent's user name in the operating system.")
CRM_USER = Parameter(name="CRM_USER", meaning="The agent's user name in the CRM.")
CALLINSTANCE = Parameter(
    name="CALLINSTANCE", spellings=("CALL_INSTANCE",), meaning="Tells the simultaneous calls of one device apart."
)
GROUP = Parameter(name="GROUP", meaning="ACD group (hunt, skill or labour group).", blank_clears=True)
GATE = Parameter(name="GATE", meaning="ACD gate (queue or application).", blank_clears=True)
ANI = Parameter(name="ANI", meaning="The caller's number.", blank_clears=True)
DNIS = Parameter(name="DNIS", meaning="The number that was called.", blank_clears=True)
USERS = tuple(
    Parameter(name=f"USER{number}", spellings=(f"USER_{number}",), meaning="Free field.", blank_clears=True)
    for number in range(1, 16)
)
CALLID = Parameter(name="CALLID", spellings=("CALL_ID",), meaning="The phone system's identifier of the call.")
PRIORITY = Parameter(name="PRIORITY", meaning="Priority of the call; kept as sent.")
CALLDIRECTION = Parameter(
    name="CALLDIRECTION", spellings=("CALL_DIRECTION",), kind="direction", meaning="Inbound or outbound."
)
MAXRECORDSILENCE = Parameter(
    name="MAXRECORDSILENCE", kind="count", meaning="Seconds of silence after which recording ends."
)
MAXRECORDTIME = Parameter(name="MAXRECORDTIME", kind="count", meaning="Longest recording in seconds.")
AGENTINITIATED = Parameter(name="AGENTINITIATED", kind="flag", meaning="The agent asked for the recording.")
CTIINITIATED = Parameter(name="CTIINITIATED", kind="flag", meaning="The CTI integration started the call.")
ARCHIVEACTION = Parameter(
    name="ARCHIVEACTION",
    spellings=("ARCHIVE_ACTION",),
    kind="integer",
    meaning="Number of the archive action; -1 is unset.",
)
KEEPDAYS = Parameter(
    name="KEEPDAYS", spellings=("KEEP_DAYS",), kind="integer", meaning="Days to keep the recording; -1 is unset."
)
UPDATE_IF_NOT_RECORDING = Parameter(
    name="UPDATE_IF_NOT_RECORDING",
    kind="flag",
    meaning="With Y, a device that is in no call has its last recording updated.",
)
RECORDID = Parameter(
    name="RECORDID", spellings=("RECORD_ID", "IDENT"), meaning="Number of a finished recording to be updated."
)
SESSIONID = Parameter(name="SESSIONID", spellings=("SESSION_ID",), meaning="Identifier of the screen session.")
TIMEOFFSET = Parameter(
    name="TIMEOFFSET",
    spellings=("TIME_OFFSET",),
    kind="seconds",
    meaning="Seconds to add to the moment the message arrives; negative reaches back.",
)
KEYNAME_SPELLINGS = ("USERID", "USER_NAME", "SYSUSER", "CRMUSER", "DEVICE_ALIAS", "PHONEID", "PHONE_ID", "PHONE")
AGENTID = Parameter(
    name="AGENTID", spellings=("AGENT_ID", "USER_ID"), kind="key", meaning="USERID of the agent; 0 counts as absent."
)
KEYNAME = Parameter(
    name="KEYNAME",
    spellings=("KEY_NAME",),
    kind="choice",
    choices=("USERNAME", "SYS_USER", "EMPLOYEEID", "EMPLOYEE_ID", "CRM_USER", "DEVICEALIAS", *KEYNAME_SPELLINGS),
    meaning="Field by which the agent is looked up.",
)
KEYVALUE = Parameter(name="KEYVALUE", spellings=("KEY_VALUE",), meaning="Value of the KEYNAME field.")
CALLCOUNT = Parameter(name="CALLCOUNT", spellings=("CALL_COUNT",), kind="count", meaning="Most rows to be returned.")
CALLDATESTART = Parameter(
    name="CALLDATESTART", spellings=("CALL_DATE_START",), kind="unixtime", meaning="Recorded at or after this moment."
)
CALLDATEEND = Parameter(
    name="CALLDATEEND", spellings=("CALL_DATE_END",), kind="unixtime", meaning="Recorded at or before this moment."
)
PLAYBACKLINK = Parameter(
    name="PLAYBACKLINK",
    spellings=("PLAYBACK_LINK",),
    kind="flag",
    meaning="Present, even if blank: a link to the player is added to each row, where the server has links enabled.",
)
ACTION = Parameter(
    name="ACTION", kind="choice", wrong=INVALID_ACTION, choices=("ADD", "DELETE"), meaning="What is to be done."
)
USERID = Parameter(name="USERID", spellings=("USER_ID", "AGENTID"), kind="key", meaning="Number of the user.")
USERNAME = Parameter(name="USERNAME", spellings=("USER_NAME",), meaning="Login name of the user.")
EMPLOYEEID = Parameter(name="EMPLOYEEID", spellings=("EMPLOYEE_ID",), meaning="The user's number as an employee.")
FIRSTNAME = Parameter(name="FIRSTNAME", spellings=("FIRST_NAME",), meaning="First name.")
LASTNAME = Parameter(name="LASTNAME", spellings=("LAST_NAME",), meaning="Last name.")
STATUS = Parameter(
    name="STATUS", kind="choice", choices=("A", "I"), meaning="A active and an agent, I inactive and not an agent."
)
AGENT = Parameter(name="AGENT", kind="flag", meaning="Whether the user is an agent; overrides STATUS.")
ADD_TIME = Parameter(name="ADD_TIME", meaning="When the user was added, with offset from UTC.")
MOD_TIME = Parameter(name="MOD_TIME", meaning="When the user was last changed, with offset from UTC.")
DOMAIN = Parameter(name="DOMAIN", spellings=("SYS_DOMAIN",), meaning="Domain of the SYS_USER.")
EMAIL_ADDRESS = Parameter(name="EMAIL", spellings=("E_MAIL",), meaning="E-mail address.")
PASSWORD = Parameter(name="PASSWORD", meaning="Password; never written to a log or a reply.")
SITEID = Parameter(name="SITEID", spellings=("SITE_ID",), meaning="Number of the site.")
PHONES = Parameter(name="PHONES", kind="list", limit=TEXT_LIMIT, meaning="Phone numbers of the agent.")
PHONEID = Parameter(name="PHONEID", spellings=("PHONE_ID",), meaning="Phone number that belongs to an agent.")
LOCATIONID = Parameter(
    name="LOCATIONID", spellings=("LOCATION_ID",), kind="count", meaning="Number of the location; 1 where absent."
)
UNIQUEFIELD = Parameter(
    name="UNIQUEFIELD",
    spellings=("UNIQUE_FIELD",),
    meaning="Field that tells the recording apart: a parameter of the call or a column of the recordings.",
)
UNIQUEID = Parameter(name="UNIQUEID", spellings=("UNIQUE_ID",), meaning="Value of that field.")
MEDIA_FORMAT = Parameter(
    name="MEDIA_FORMAT", kind="choice", choices=("WAV", "MP3", "VOX", "CAV"), meaning="Format of the media."
)
ENCRYPT = Parameter(name="ENCRYPT", kind="flag", meaning="Encrypt the CAV file; needs PASSWORD.")
IDENT = Parameter(
    name="IDENT", spellings=("RECORDID",), kind="list", limit=LIST_LIMIT, meaning="Numbers of the recordings."
)
GROUPNAME = Parameter(name="GROUPNAME", spellings=("GROUP_NAME",), meaning="Name of the QA group.")
GROUPID = Parameter(name="GROUPID", spellings=("GROUP_ID",), kind="key", meaning="Number of the QA group.")
ROLENAME = Parameter(name="ROLENAME", spellings=("ROLE_NAME",), meaning="Name of the role.")
ROLEID = Parameter(name="ROLEID", spellings=("ROLE_ID",), kind="key", meaning="Number of the role.")
DESCRIPTION = Parameter(name="DESCRIPTION", limit=TEXT_LIMIT, meaning="What the role is for.")
PERMISSIONNAME = Parameter(
    name="PERMISSIONNAME", spellings=("PERMISSION_NAME",), meaning="Name of the permission, upper case, no spaces."
)
SYSTEMUSERNAME = Parameter(
    name="SYSTEMUSERNAME", spellings=("SYSTEM_USER_NAME", "SYS_USER"), meaning="User name in the operating system."
)
TOADDRESS = Parameter(name="TOADDRESS", spellings=("TO_ADDRESS",), limit=TEXT_LIMIT, meaning="Where the mail goes.")
TONAME = Parameter(name="TONAME", spellings=("TO_NAME",), meaning="Name of the one who gets the mail.")
FROMADDRESS = Parameter(name="FROMADDRESS", spellings=("FROM_ADDRESS",), meaning="Sender's address.")
FROMNAME = Parameter(name="FROMNAME", spellings=("FROM_NAME",), meaning="Sender's name.")
COMPUTERNAME = Parameter(
    name="COMPUTERNAME",
    spellings=("COMPUTER_NAME", "STATIONNAME", "STATION"),
    meaning="Computer whose window is asked for.",
)
