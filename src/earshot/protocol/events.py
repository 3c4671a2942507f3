"""The events as data: which types there are, what each says, and how one is written on the event port.

The documents are ours (reference.md 3): one `EVENT` per line, in the vocabulary of the requests. What does not live
here: who is told (`earshot.api.events`) and how a client chooses (`registration`). The one rule: a type that is
published has its row here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from earshot.protocol.xml import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A type of event: one sentence that says when it happens, and the fields it may carry, in their order."""

    name: str
    sentence: str
    fields: tuple[str, ...]


DEVICE = ("DEVICEID", "DEVICEALIAS")
PERSON = ("SYS_USER", "CRM_USER", "AGENTID")
CALL = (
    *DEVICE,
    *PERSON,
    "CALLINSTANCE",
    "CALLID",
    "GROUP",
    "GATE",
    "ANI",
    "DNIS",
    *(f"USER{number}" for number in range(1, 16)),
    "CALLDIRECTION",
    "COREIDENT",
    "ANNOUNCEDBY",
)
RECORDING = (
    "RECORDID",
    *DEVICE,
    *PERSON,
    "CALLINSTANCE",
    "CALLID",
    "GROUP",
    "GATE",
    "ANI",
    "DNIS",
    *(f"USER{number}" for number in range(1, 16)),
    "CALLDIRECTION",
    "COREIDENT",
    "RECORDINGTIME",
    "DURATION",
    "FILENAME",
    "WARNINGS",
)
SESSION = (
    *("SESSIONID", "AGENTID", "DEVICEALIAS", "SYS_USER", "CRM_USER", "COMPUTERNAME", "CALLID"),
    *("GROUP", "GATE", "ANI", "DNIS"),
    *(f"USER{number}" for number in range(1, 16)),
    *("CALLDIRECTION", "COREIDENT"),
)

_ROWS = (
    EventType(name="CALLSTART", sentence="A call began, or began anew with the same call instance.", fields=CALL),
    EventType(name="CALLUPDATE", sentence="Call variables of a call that runs were changed.", fields=CALL),
    EventType(name="CALLSTOP", sentence="A call ended; its recordings are sealed from now on.", fields=CALL),
    EventType(name="RECORDSTART", sentence="A recording of a call began, scheduled or by RECORDSTART.", fields=CALL),
    EventType(name="RECORDSTOP", sentence="A recording of a call ended.", fields=CALL),
    EventType(
        name="RECORDINGSAVED", sentence="A recording is sealed and stored: CALLLIST finds it now.", fields=RECORDING
    ),
    EventType(
        name="RECORDINGDELETED",
        sentence="A recording was deleted for good; REASON is the rule.",
        fields=("RECORDID", "REASON"),
    ),
    EventType(name="BLACKOUTSTART", sentence="A blackout began: what is said is not kept.", fields=CALL),
    EventType(name="BLACKOUTSTOP", sentence="A blackout ended.", fields=CALL),
    EventType(name="CHATSTART", sentence="A recording of an agent's screen alone began.", fields=SESSION),
    EventType(name="CHATUPDATE", sentence="The values of a screen session were changed.", fields=SESSION),
    EventType(name="CHATSTOP", sentence="A recording of an agent's screen alone ended.", fields=SESSION),
    EventType(
        name="CHANNELSTATE",
        sentence="A channel changed its state.",
        fields=("ID", "STATE", *DEVICE, "AGENTID", "COREIDENT"),
    ),
    EventType(
        name="AGENTSTATE",
        sentence="The desktop of an agent connected, disconnected, or reported another window; AWAY when it is gone.",
        fields=("AGENTID", "SYS_USER", "COMPUTERNAME", "STATE"),
    ),
    EventType(
        name="EXPORTSTARTED", sentence="An export that takes its time began.", fields=("RECORDID", "FORMAT", "JOB")
    ),
    EventType(
        name="EXPORTFINISHED",
        sentence="An export that took its time is done, or failed.",
        fields=("RECORDID", "FORMAT", "JOB", "STATE"),
    ),
    EventType(name="MAILSENT", sentence="A message was taken by the mail server.", fields=("RECORDID", "TO", "MAILID")),
    EventType(
        name="MAILFAILED",
        sentence="A message was given up; WHY says the reason.",
        fields=("RECORDID", "TO", "MAILID", "WHY"),
    ),
    EventType(name="WEBHOOKTEST", sentence="Sent to one webhook by `earshot webhook test`.", fields=("WEBHOOKID",)),
)
EVENT_TYPES: Mapping[str, EventType] = MappingProxyType({row.name: row for row in _ROWS})
"""Every type by its name, in the order of the reference page."""


def write_event(kind: str, event_time: str, fields: Iterable[tuple[str, str]], number: int = 0) -> bytes:
    """`<EVENT><TYPE>...</TYPE><EVENTTIME>...</EVENTTIME><EVENTID>...</EVENTID>...</EVENT>`, one line, ended by CRLF.

    `number` 0 leaves EVENTID out: the document is about the connection, not about what happened.
    """
    ident = f"<EVENTID>{number}</EVENTID>" if number else ""
    inner = "".join([f"<{tag}>{escape(value)}</{tag}>" for tag, value in fields])
    return f"<EVENT><TYPE>{kind}</TYPE><EVENTTIME>{event_time}</EVENTTIME>{ident}{inner}</EVENT>\r\n".encode()


def closed_document(event_time: str, reason: str) -> bytes:
    """What the server says before it ends a connection of the event port by itself."""
    return write_event("CLOSED", event_time, (("REASON", reason),))


def events_page() -> str:
    """The page of the reference about all types, in Markdown."""
    parts = [
        "# Events\n",
        "What the event port (TCP 5621), server-sent events (`/api/v1/events`) and webhooks tell. How to listen: "
        "[events](../events.md). TYPE, EVENTTIME (local time) and EVENTID (a number that only grows, also over "
        "restarts) come first in every document. A field that has no value is empty or left out; fields may be added "
        "in later releases.\n",
        "| TYPE | When | Fields |\n|---|---|---|",
        *(f"| {row.name} | {row.sentence} | {_field_words(row.fields)} |" for row in _ROWS),
        "",
        "`CLOSED` with a REASON is the last document of a connection of the event port that the server ends.\n",
        "## REGISTEREVENTS\n",
        "A connection of the event port that says nothing gets everything. This request, sent on that connection, "
        "chooses; events after its answer follow it:\n",
        "```xml\n<REQUEST><TYPE>REGISTEREVENTS</TYPE><REQUESTID>1</REQUESTID><MODE>ADD</MODE>"
        "<EVENTTYPE>CALLSTART,CALLSTOP</EVENTTYPE></REQUEST>\n```\n",
        "| MODE | Effect |\n|---|---|",
        "| ADD | Adds the types. On a connection that has not registered yet: these and no others. |",
        "| REMOVE | Removes the types, of everything if the connection has not registered yet. |",
        "| ALL | Everything, types of later releases too. EVENTTYPE is not looked at. |",
        "| NONE | Nothing. EVENTTYPE is not looked at. |",
        "",
        "EVENTTYPE is a type or a list with commas, and may be repeated. Letter case does not matter.\n",
        "| RESULTTYPE | RESULTCODE | When |\n|---|---|---|",
        "| API_OK | 20 | The types that are sent from now on stand in RESULTMSG. |",
        "| API_MODE_INVALID | 29 | MODE is missing or none of the four. Nothing is changed. |",
        "| API_EVENT_TYPE_INVALID | 30 | EVENTTYPE is missing with ADD or REMOVE, or names a type that does not exist. "
        "Nothing is changed. |",
        "| API_REQUESTID_INVALID | 14 | REQUESTID is missing, blank or longer than 64 characters. |",
        "| API_INVALID_REQUEST_TYPE | 15 | TYPE is missing, or another command: the API port answers those. |",
        "| API_UNKNOWN_MESSAGE_TYPE | 10 | There is no such command. |",
        "| API_INVALID_MESSAGE_FORMAT | 16 | The message cannot be read. |",
    ]
    return "\n".join(parts) + "\n"


def _field_words(fields: tuple[str, ...]) -> str:
    """The fields as text; USER1 to USER15 as one."""
    numbered = {f"USER{number}" for number in range(2, 16)}
    return ", ".join("USER1 to USER15" if name == "USER1" else name for name in fields if name not in numbered)
