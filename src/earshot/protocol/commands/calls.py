"""Call handling: CALLSTART, CALLSTOP, CALLUPDATE (live and post-recording), RECORDSTART, RECORDSTOP.

Only data lives here. The one rule: each row says what the specification says, corrected by reference.md 14.3.
"""

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Return, When, a_device

DEVICE = (p.DEVICEID, p.STATIONNAME, p.DEVICEALIAS, p.SYS_USER, p.CRM_USER)
CALL_FIELDS = (p.GROUP, p.GATE, p.ANI, p.DNIS, *p.USERS)
START_FIELDS = (
    p.CALLINSTANCE,
    *CALL_FIELDS,
    p.CALLID,
    p.PRIORITY,
    p.CALLDIRECTION,
    p.MAXRECORDSILENCE,
    p.MAXRECORDTIME,
    p.AGENTINITIATED,
    p.CTIINITIATED,
    p.ARCHIVEACTION,
)
LIVE = (When(name="RECORDID", absent=True),)


def core_returns(name: str) -> tuple[Return, ...]:
    """The three outcomes of a command that goes to the cores."""
    return (
        Return(label="API_OK", sentence=f'All cores were reached: "{name} sent to all of the following cores: 1".'),
        Return(
            label="API_PARTIAL_CORE_RESPONSE",
            sentence=f'Some were not: "{name} could not be sent to the following cores: 2,3".',
        ),
        Return(label="API_ERROR_RECORDER_NOT_RUNNING", sentence="No core could be reached."),
    )


NO_SUCH_DEVICE = Return(label="API_DEVICE_INVALID", sentence="No device is named, or the one looked up is not known.")

CALLSTART = Command(
    name="CALLSTART",
    family="calls",
    sentence="Says that a device has started a call, and offers the call to the recording schedules.",
    parameters=(*DEVICE, *START_FIELDS),
    requires=(a_device(),),
    returns=(*core_returns("CALLSTART"), NO_SUCH_DEVICE),
    notes=(
        "DEVICEID wins over STATIONNAME, DEVICEALIAS, SYS_USER and CRM_USER, in this order.",
        "With a DEVICEID the other identifiers are data of the call; an unknown DEVICEID makes a new device.",
        "A missing CALLINSTANCE is the blank instance. A second CALLSTART of a device and instance ends the first.",
        "API_OK means that the call was offered, not that it is recorded: the verdict of the call says that.",
    ),
    example=(("DEVICEID", "555"), ("DEVICEALIAS", "3545"), ("ANI", "6145551212"), ("USER1", "Gold Level")),
    done=True,
)

CALLSTOP = Command(
    name="CALLSTOP",
    family="calls",
    sentence="Says that a device has ended a call, and ends its recording.",
    parameters=(*DEVICE, p.CALLINSTANCE),
    requires=(a_device(),),
    returns=(*core_returns("CALLSTOP"), NO_SUCH_DEVICE),
    notes=(
        "A missing CALLINSTANCE is that of the last call on the device.",
        "A device that is in no call is no error: the answer is API_OK.",
    ),
    example=(("DEVICEID", "555"),),
    done=True,
)

CALLUPDATE = Command(
    name="CALLUPDATE",
    family="calls",
    sentence="Updates a call in progress; with RECORDID, a finished recording.",
    parameters=(
        p.RECORDID,
        *DEVICE,
        p.CALLINSTANCE,
        *CALL_FIELDS,
        p.CALLDIRECTION,
        p.CALLID,
        p.ARCHIVEACTION,
        p.KEEPDAYS,
        p.UPDATE_IF_NOT_RECORDING,
    ),
    requires=(a_device(when=LIVE),),
    returns=(
        *core_returns("CALLUPDATE"),
        Return(label="API_OK", sentence='A finished recording was updated: "Updated recording in database".'),
        NO_SUCH_DEVICE,
        Return(
            label="API_RECORDID_INVALID",
            sentence="There is no such recording, or UPDATE_IF_NOT_RECORDING found no previous call.",
        ),
        Return(label="API_DATABASE_QUERY_ERROR", sentence="The recording could not be updated in the database."),
    ),
    notes=(
        "RECORDID decides between the two forms: without it a device must be named, with it none is needed.",
        "An absent element leaves its field alone; an empty one empties USER1 to USER15, GROUP, GATE, ANI and DNIS.",
        "A missing CALLINSTANCE is that of the last call on the device. Schedules are not run again.",
    ),
    example=(("DEVICEID", "555"), ("USER3", "Follow up on order")),
    done=True,
)

RECORDSTART = Command(
    name="RECORDSTART",
    family="calls",
    sentence="Starts an additional, partial recording of a call.",
    parameters=(*DEVICE, *START_FIELDS),
    requires=(a_device(),),
    returns=(*core_returns("RECORDSTART"), NO_SUCH_DEVICE),
    notes=(
        "A partial recording is a recording of its own with its own RECORDID.",
        "A device that is in no call is recorded all the same.",
    ),
    example=(("DEVICEID", "555"), ("USER1", "Gold Level"), ("USER2", "Customer 564582")),
    done=True,
)

RECORDSTOP = Command(
    name="RECORDSTOP",
    family="calls",
    sentence="Ends the partial recording that RECORDSTART began; the call goes on.",
    parameters=(*DEVICE, p.CALLINSTANCE, *p.USERS),
    requires=(a_device(),),
    returns=(*core_returns("RECORDSTOP"), NO_SUCH_DEVICE),
    notes=(
        "USER1 to USER15 are stored with the partial recording.",
        "Nothing to stop is no error: the answer is API_OK.",
    ),
    example=(("DEVICEID", "555"), ("USER1", "test")),
    done=True,
)

COMMANDS = (CALLSTART, CALLSTOP, CALLUPDATE, RECORDSTART, RECORDSTOP)
