"""Recording control: screen sessions (CHAT...) and blackouts.

Only data lives here. The one rule: start and stop never cause an error because of the state they meet.
"""

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Return, any_of, needs, one_device_or_agent
from earshot.protocol.commands.calls import core_returns
from earshot.protocol.results import AGENT_NOT_FOUND

NO_SESSION = Return(label="API_SESSIONID_UNSPECIFIED", sentence="SESSIONID is missing or blank.")
A_SESSION = needs("SESSIONID", label="API_SESSIONID_UNSPECIFIED", message="SESSIONID is missing or blank")
WHO = (p.DEVICEID, p.DEVICEALIAS, p.CRM_USER, p.SYS_USER)
BLACKOUT_RETURNS = (
    Return(label="API_AGENT_NOT_FOUND", sentence="Neither a device nor an agent is named or found."),
    Return(label="API_DEVICE_INVALID", sentence="The device that is named is not known."),
)

CHATSTART = Command(
    name="CHATSTART",
    family="control",
    sentence="Starts a recording of the agent's screen alone.",
    parameters=(p.SESSIONID, p.AGENTID, p.KEYNAME, p.KEYVALUE),
    requires=(
        A_SESSION,
        any_of(
            "AGENTID", ("KEYNAME", "KEYVALUE"), label=AGENT_NOT_FOUND, message="Could not find an agent: none named"
        ),
    ),
    returns=(
        *core_returns("CHATSTART"),
        NO_SESSION,
        Return(label="API_AGENT_NOT_FOUND", sentence="Nobody is named, or the agent is not known."),
        Return(label="API_INVALID_MESSAGE_FORMAT", sentence="A parameter is not acceptable, such as KEYNAME."),
        Return(label="API_ERROR_OUT_OF_DISK_SPACE", sentence="The disk reserve is reached."),
        Return(label="API_DATABASE_QUERY_ERROR", sentence="Agents could not be looked up since the start."),
    ),
    notes=(
        "A SESSIONID that is running already goes on; the answer is API_OK.",
        "API_OK does not say that there is a desktop to capture: the session's row says what became of it.",
    ),
    example=(("SESSIONID", "82738"), ("KEYNAME", "USERNAME"), ("KEYVALUE", "JDOE")),
    done=True,
)

CHATSTOP = Command(
    name="CHATSTOP",
    family="control",
    sentence="Ends a recording of the agent's screen alone.",
    parameters=(p.SESSIONID,),
    requires=(A_SESSION,),
    returns=(*core_returns("CHATSTOP"), NO_SESSION),
    notes=("An unknown SESSIONID is no error: the answer is API_OK.",),
    example=(("SESSIONID", "82738"),),
    done=True,
)

CHATUPDATE = Command(
    name="CHATUPDATE",
    family="control",
    sentence="Updates a screen session in progress.",
    parameters=(
        p.SESSIONID,
        p.DEVICEALIAS,
        p.GROUP,
        p.GATE,
        p.ANI,
        p.DNIS,
        *p.USERS,
        p.CALLDIRECTION,
        p.CALLID,
        p.KEEPDAYS,
        p.ARCHIVEACTION,
    ),
    requires=(A_SESSION,),
    returns=(
        *core_returns("CHATUPDATE"),
        NO_SESSION,
        Return(label="API_INVALID_MESSAGE_FORMAT", sentence="A parameter is not acceptable."),
    ),
    notes=(
        "An empty element sets USERn, GROUP, GATE, ANI and DNIS blank; an absent one leaves them.",
        "An unknown SESSIONID is no error: the answer is API_OK.",
    ),
    example=(("SESSIONID", "82738"), ("GROUP", "53")),
    done=True,
)


def _blackout(name: str, sentence: str, *notes: str, of_a_call: bool) -> Command:
    return Command(
        name=name,
        family="control",
        sentence=sentence,
        parameters=(*WHO, p.TIMEOFFSET, p.CALLINSTANCE) if of_a_call else (*WHO, p.TIMEOFFSET),
        requires=(one_device_or_agent(),),
        done=True,
        returns=(*core_returns(name), *BLACKOUT_RETURNS),
        notes=("The moment is that of the message's arrival plus TIMEOFFSET, in seconds.", *notes),
        example=(("SYS_USER", "JSMITH"), ("TIMEOFFSET", "-5")),
    )


BLACKOUTSTART = _blackout(
    "BLACKOUTSTART",
    "Starts a span of one call that must not be heard or seen.",
    "A missing CALLINSTANCE is that of the last call on the device.",
    "A second start inside a running blackout changes nothing; the end of the call ends it.",
    of_a_call=True,
)
AGENTBLACKOUTSTART = _blackout(
    "AGENTBLACKOUTSTART",
    "Starts a span of an agent's time, across calls, that must not be heard or seen.",
    "Only AGENTBLACKOUTSTOP or the longest allowed time ends it.",
    of_a_call=False,
)
BLACKOUTSTOP = _blackout(
    "BLACKOUTSTOP",
    "Ends the blackout of one call.",
    "A stop that falls before its start is moved to the start. Nothing to stop is no error.",
    of_a_call=True,
)
AGENTBLACKOUTSTOP = _blackout(
    "AGENTBLACKOUTSTOP",
    "Ends the blackout of an agent.",
    "A stop that falls before its start is moved to the start. Nothing to stop is no error.",
    of_a_call=False,
)

COMMANDS = (CHATSTART, CHATSTOP, CHATUPDATE, BLACKOUTSTART, AGENTBLACKOUTSTART, BLACKOUTSTOP, AGENTBLACKOUTSTOP)
