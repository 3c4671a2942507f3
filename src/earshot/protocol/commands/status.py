"""Status: TEST, and the commands that ask and change nothing.

Only data lives here. The one rule: `reply` shows the layout of the specification's examples (reference.md 14.3).
"""

from dataclasses import replace

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Return, one_device
from earshot.protocol.results import Node, Shape

OK = Return(label="API_OK", sentence="The answer follows the standard tags.")
DATABASE = Return(label="API_DATABASE_QUERY_ERROR", sentence="The database could not be asked.")
NO_DEVICE = Return(label="API_DEVICE_INVALID", sentence="No device is named, or none matches.")
ONE_DEVICE = (p.DEVICEID, p.DEVICEALIAS, p.CRM_USER, p.SYS_USER)

IDENTITY: tuple[Node, ...] = (
    ("DEVICEID", "555"),
    ("DEVICEALIAS", "3545"),
    ("SYS_USER", "jdoe"),
    ("CRM_USER", "CRMJDOE"),
)
CALL: tuple[Node, ...] = (
    ("GROUP", "12"),
    ("GATE", "80"),
    ("ANI", "6145551212"),
    ("DNIS", "8889225526"),
    *((user.name, "") for user in p.USERS),
    ("CALLDIRECTION", "I"),
    ("ISTRUNK", ""),
    ("STATION", "COMPUTER1"),
    ("STARTTIME", "2/1/2011 11:49:32 AM"),
    ("STOPTIME", ""),
)
FILE: tuple[Node, ...] = (
    ("ISRECORDING", "Y"),
    ("ISRECORDINGVIDEO", "N"),
    ("FILENAME", "C:\\Recordings\\20110201\\3545\\3545-11-49-32.wav"),
    ("CALLID", ""),
    ("SESSIONID", ""),
    ("CALLINSTANCE", "2001"),
)
DEVICES: tuple[Node, ...] = (
    (
        "DEVICES",
        (("COUNT", "1"), ("DEVICE", (*IDENTITY, *CALL, ("COREIDENT", "1"), ("RECORDING", FILE)))),
    ),
)
PROCESSOR: tuple[Node, ...] = (
    ("SYSTEMPROCESSORSPEED", "2394MHz"),
    ("SYSTEMPROCESSORTYPE", "x86 Family 6 Model 15 Stepping 11"),
)

TEST = Command(
    name="TEST",
    family="status",
    sentence="Answers at once: an echo test of the server.",
    returns=(Return(label="API_OK", sentence="The server is there."),),
    shape=Shape(id_first=True),
    done=True,
)

DEVICELIST = Command(
    name="DEVICELIST",
    family="status",
    sentence="Lists all devices, each with its most recently active call.",
    returns=(OK,),
    reply=DEVICES,
    notes=("One call per device; DEVICERECORDINGSTATUS shows all.",),
    done=True,
)

DEVICESTATUS = Command(
    name="DEVICESTATUS",
    family="status",
    sentence="Shows one device with its active, or most recently active, call.",
    parameters=(*ONE_DEVICE, p.CALLID),
    requires=(one_device(),),
    returns=(OK, NO_DEVICE),
    reply=DEVICES,
    notes=("RESULTMSG is `Found the following matching devices`.", "CALLID picks the call with that identifier."),
    example=(("DEVICEALIAS", "3545"),),
    done=True,
)

DEVICERECORDINGSTATUS = Command(
    name="DEVICERECORDINGSTATUS",
    family="status",
    sentence="Shows all call instances of one device, each with the state of its recording.",
    parameters=ONE_DEVICE,
    requires=(one_device(),),
    returns=(OK, NO_DEVICE),
    reply=(("DEVICE", (*IDENTITY, ("COREIDENT", "1"), ("RECORDING", (*CALL, *FILE, ("STATUS", "recording"))))),),
    notes=(
        "RESULTMSG is `Following active call instances found for specified deviceID, devicealias, crm_user or "
        "sys_user`.",
        "One DEVICE with one RECORDING per call instance. STATUS is recording, recordpaused or notrecording.",
    ),
    example=(("DEVICEID", "555"),),
    done=True,
)

SYSTEMSTATUS = Command(
    name="SYSTEMSTATUS",
    family="status",
    sentence="Shows the health of the system: disk, processors, memory, time since start.",
    returns=(OK,),
    reply=(
        ("RECORDINGPATH", "C:\\Recordings\\"),
        ("RECORDINGSPACEINFO", "223.66GB of 465.64GB"),
        ("RECORDINGTOTALDISKCAPACITY", "476819"),
        ("RECORDINGTOTALDISKFREE", "229032"),
        ("RECORDINGTOTALDISKFREEPCT", "48.03"),
        ("SYSTEMUPTIME", "0 days, 18 hours, 24 minutes, 37 seconds."),
        ("PROCESSOR0", PROCESSOR),
        ("SYSTEMRAMTOTAL", "3325"),
        ("SYSTEMRAMFREE", "1702"),
        ("SYSTEMRAMUSED", "1623"),
        ("SYSTEMRAMUSEDPCT", "48"),
    ),
    notes=("Capacity and memory are in MB; RAMUSEDPCT is cut off, not rounded; one PROCESSORn per processor.",),
    done=True,
)

CHANNELS = Command(
    name="CHANNELS",
    family="status",
    sentence="Shows the state of every recording channel.",
    returns=(OK, replace(DATABASE, never="Never: the answer comes from memory, also while the database is away.")),
    reply=(
        ("COUNT", "1"),
        (
            "CHANNELS",
            (
                (
                    "CHANNEL",
                    (
                        ("ID", "1"),
                        ("STATE", "Recording"),
                        ("PLAYBACKEXTENSION", ""),
                        ("RECORDINGDEVICEALIAS", ""),
                        ("RECORDINGDEVICE", "7002"),
                        ("LASTSTATECHANGE", "1/31/2011 5:50:33 PM"),
                        ("LASTSTATECHANGEUNIXTIME", "1296496233"),
                    ),
                ),
            ),
        ),
    ),
    done=True,
)

STATIONS = Command(
    name="STATIONS",
    family="status",
    sentence="Lists the computers that are mapped to devices.",
    returns=(OK, DATABASE),
    reply=(("COUNT", "1"), ("STATIONS", (("STATION", (("STATIONNAME", "JamesBond"), ("DEVICEID", "7007"))),))),
    done=True,
)

FETCHTERMINOLOGY = Command(
    name="FETCHTERMINOLOGY",
    family="status",
    sentence="Lists what the fields are called in this house.",
    returns=(OK, DATABASE),
    reply=(("COUNT", "1"), ("SETTINGS", (("TERMINOLOGY", (("NAME", "agent"), ("VALUE", "Agent"))),))),
    shape=Shape(bare=True),
    done=True,
)

CALLLIST = Command(
    name="CALLLIST",
    family="status",
    sentence="Lists recordings that match all given conditions, newest first.",
    parameters=(
        *ONE_DEVICE,
        p.GROUP,
        p.GATE,
        p.ANI,
        p.DNIS,
        *p.USERS,
        p.CALLCOUNT,
        p.CALLDATESTART,
        p.CALLDATEEND,
        p.PLAYBACKLINK,
    ),
    returns=(OK, DATABASE, Return(label="API_INVALID_MESSAGE_FORMAT", sentence="A count or a time is no number.")),
    reply=(
        (
            "SEARCHRESULT",
            (
                ("CALLNUMBER", "1"),
                ("DEVICEID", "1111"),
                ("DEVICEALIAS", "1234"),
                ("ANI", ""),
                ("DNIS", ""),
                ("CALLDIRECTION", "I"),
                ("GROUP", ""),
                ("GATE", ""),
                *((user.name, "") for user in p.USERS),
                ("RECORDID", "13101"),
                ("RECORDINGTIME", "1312921123"),
                ("DURATION", "60"),
                ("AGENTFIRSTNAME", "John"),
                ("AGENTLASTNAME", "Smith"),
                ("CRM_USER", ""),
                ("SYS_USER", ""),
                ("PLAYBACKLINK", "http://127.0.0.1:2012/MediaPlayer/ExternalCallListPlayer/13101/false"),
            ),
        ),
    ),
    shape=Shape(type_tag="TYPE", bare=True),
    notes=(
        "A blank condition is ignored. Both ends of the time range belong to it.",
        "CALLCOUNT limits the answer to the newest; without it the server's own limit holds.",
        "RECORDINGTIME is Unix time, DURATION is in seconds.",
    ),
    example=(("DEVICEID", "1111"), ("USER3", "12345"), ("CALLCOUNT", "5")),
    done=True,
)

COMMANDS = (
    TEST,
    DEVICELIST,
    DEVICESTATUS,
    DEVICERECORDINGSTATUS,
    SYSTEMSTATUS,
    CHANNELS,
    STATIONS,
    FETCHTERMINOLOGY,
    CALLLIST,
)
