"""Result codes and the `Result` value: what every command answers with.

What does not live here: how a result is written (`xml`), and when a command gives which (the handlers).
The one rule: a label is emitted only if it stands in `CODES`, so that no answer carries a number nobody can look up.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, Union

if TYPE_CHECKING:
    from earshot.protocol.decode import Request

Node: TypeAlias = tuple[str, Union[str, "tuple[Node, ...]"]]
"""One element of an answer: (tag, text), or (tag, its child nodes)."""

OK = "API_OK"
INVALID_FORMAT = "API_INVALID_MESSAGE_FORMAT"
REQUESTID_INVALID = "API_REQUESTID_INVALID"
UNKNOWN_TYPE = "API_UNKNOWN_MESSAGE_TYPE"
INVALID_REQUEST_TYPE = "API_INVALID_REQUEST_TYPE"
DEVICE_INVALID = "API_DEVICE_INVALID"
AGENT_NOT_FOUND = "API_AGENT_NOT_FOUND"
INVALID_ACTION = "API_ERROR_INVALID_ACTION"
PROCESSING_ERROR = "API_ERROR_PROCESSING_MESSAGE"

FIRST_PROVISIONAL = 31
"""Codes from here on were never published; ours are provisional, clients should match on RESULTTYPE."""

CODES = MappingProxyType(
    {
        "API_RECORDING_STARTED": 0,
        "API_ERROR_ALREADY_RECORDING": 1,
        "API_ERROR_OUT_OF_DISK_SPACE": 2,
        "API_ERROR_NO_FREE_CHANNELS": 3,
        "API_ERROR_UNKNOWN": 4,
        "API_DEVICE_ALIAS_UNSPECIFIED": 5,
        "API_ERROR_SCHEDULER_NOT_RUNNING": 6,
        "API_DEVICE_NOT_IN_CALL": 7,
        "API_DEVICE_INVALID": 8,
        "API_DID_NOT_MATCH_A_SCHEDULE": 9,
        "API_UNKNOWN_MESSAGE_TYPE": 10,
        "API_ERROR_PROCESSING_MESSAGE": 11,
        "API_DEVICE_NOT_RECORDING": 12,
        "API_RECORDING_STOPPED": 13,
        "API_REQUESTID_INVALID": 14,
        "API_INVALID_REQUEST_TYPE": 15,
        "API_INVALID_MESSAGE_FORMAT": 16,
        "API_ERROR_NO_DEFAULT_RECORDING_PATH": 18,
        "API_OK": 20,
        "API_ERROR_INVALID_ACTION": 21,
        "API_ERROR_KEYS_NOT_UNIQUE": 22,
        "API_DATABASE_QUERY_ERROR": 23,
        "API_AGENT_NOT_FOUND": 24,
        "API_AGENT_NOT_ACTIVE": 25,
        "API_BLANK_REQUIRED_VALUE": 26,
        "API_NO_GROUP": 27,
        "API_USER_NOT_FOUND": 28,
        "API_MODE_INVALID": 29,
        "API_EVENT_TYPE_INVALID": 30,
        "API_ERROR_RECORDER_NOT_RUNNING": 31,
        "API_PARTIAL_CORE_RESPONSE": 32,
        "API_RECORDID_INVALID": 33,
        "API_SESSIONID_UNSPECIFIED": 34,
        "API_USER_ALREADY_EXIST": 35,
        "API_FILE_NOT_FOUND": 36,
        "API_ROLE_ALREADY_EXISTS": 37,
        "API_ROLE_NOT_FOUND": 38,
        "API_EMAIL_NOT_VALID": 39,
        "API_ERROR_CLIENT_NOT_FOUND": 40,
    }
)
"""Label to number (reference.md 1.1, 1.2). 17 was a duplicate of 16 and 19 was never seen: both stay unused."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How the head of a reply departs from the usual (reference.md F9, F10).

    `id_first` puts REQUESTID before the type tag; `type_tag` is that tag's name; `bare` says that the documented
    success reply has no RESULTTYPE, RESULTCODE and RESULTMSG.
    """

    id_first: bool = False
    type_tag: str = "REQUESTTYPE"
    bare: bool = False


STANDARD = Shape()


class Result(NamedTuple):
    """The answer to one request. `label` is a key of `CODES`; `body` holds the nodes after the standard ones.

    `request_type` and `request_id` are echoed as they came, empty where the request had none.
    """

    request_type: str
    request_id: str
    label: str
    message: str
    body: tuple[Node, ...] = ()
    shape: Shape = STANDARD

    @property
    def code(self) -> int:
        """The number of the label. Raises KeyError for a label that is not in the table."""
        return CODES[self.label]

    @property
    def ok(self) -> bool:
        """Whether this is a success."""
        return self.label == OK


def ok(request: "Request", message: str = OK, body: tuple[Node, ...] = ()) -> Result:
    """The success reply to `request`, in the shape of its command."""
    command = request.command
    return Result(command.name, request.request_id, OK, message, body, command.shape)


def failed(request: "Request", label: str, message: str = "", body: tuple[Node, ...] = ()) -> Result:
    """A reply to `request` with `label`; the message is the label itself where none is given."""
    command = request.command
    return Result(command.name, request.request_id, label, message or label, body, command.shape)


def sent_to_cores(request: "Request", reached: tuple[int, ...], missed: tuple[int, ...]) -> Result:
    """The three outcomes of a command that goes to the cores: all reached, some, none (reference.md 14.3, "Cores")."""
    label, message = _sent(request.command.name, reached, missed)
    return failed(request, label, message)


@lru_cache(maxsize=256)
def _sent(name: str, reached: tuple[int, ...], missed: tuple[int, ...]) -> tuple[str, str]:
    if not reached:
        return "API_ERROR_RECORDER_NOT_RUNNING", f"{name} could not be sent to any core"
    if missed:
        numbers = ",".join(map(str, missed))
        return "API_PARTIAL_CORE_RESPONSE", f"{name} could not be sent to the following cores: {numbers}"
    return OK, f"{name} sent to all of the following cores: {','.join(map(str, reached))}"
