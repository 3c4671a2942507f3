"""Imports: IMPORTUSER, IMPORTAGENTPHONE, IMPORTWORKSTATION.

Only data lives here. The one rule: every spelling that the specification uses anywhere is read (reference.md 14.3).
"""

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Return, When, any_of, needs
from earshot.protocol.results import AGENT_NOT_FOUND

DATABASE = Return(label="API_DATABASE_QUERY_ERROR", sentence="The database could not be asked or changed.")
FORMAT = Return(label="API_INVALID_MESSAGE_FORMAT", sentence="A parameter is missing or not acceptable.")
ACTIONS = Return(label="API_ERROR_INVALID_ACTION", sentence="ACTION is not one of those listed.")
DONE = Return(label="API_OK", sentence="Done.")

IMPORTUSER = Command(
    name="IMPORTUSER",
    family="imports",
    sentence="Adds, changes, deletes or lists users.",
    parameters=(
        p.ACTION.allowing("ADD", "DELETE", "MODIFY", "LIST"),
        p.USERID,
        p.USERNAME,
        p.EMPLOYEEID,
        p.FIRSTNAME,
        p.LASTNAME,
        p.STATUS,
        p.AGENT,
        p.ADD_TIME,
        p.MOD_TIME,
        p.SYS_USER,
        p.DOMAIN,
        p.EMAIL_ADDRESS,
        p.CRM_USER,
        p.PASSWORD,
        p.SITEID,
        p.PHONES,
    ),
    requires=(
        needs("ACTION"),
        any_of("USERNAME", ("FIRSTNAME", "LASTNAME"), when=(When(name="ACTION", values=("ADD",)),)),
        any_of(
            "USERID",
            "USERNAME",
            ("FIRSTNAME", "LASTNAME"),
            when=(When(name="ACTION", values=("MODIFY", "DELETE")),),
        ),
    ),
    returns=(
        DONE,
        ACTIONS,
        FORMAT,
        Return(label="API_USER_ALREADY_EXIST", sentence="The user name, or first and last name, is taken."),
        Return(label="API_USER_NOT_FOUND", sentence="The user to be changed or deleted does not exist."),
        Return(label="API_ERROR_KEYS_NOT_UNIQUE", sentence="A phone belongs to another agent."),
        DATABASE,
    ),
    reply=(
        (
            "USERS",
            (
                ("COUNT", "1"),
                (
                    "USER",
                    (
                        ("USER_ID", "2"),
                        ("USERNAME", "Sally Smith"),
                        ("EMPLOYEEID", "5"),
                        ("FIRSTNAME", "Sally"),
                        ("LASTNAME", "Smith"),
                        ("AGENT", "TRUE"),
                        ("STATUS", "A"),
                        ("ADD_TIME", "10/30/2006 4:05:38 PM -05:00"),
                        ("MOD_TIME", "3/27/2008 3:34:43 PM -05:00"),
                        ("SYS_USER", "smith.1"),
                        ("SYS_DOMAIN", "Uptivity"),
                        ("EMAIL", "ssmith@uptivity.com"),
                        ("CRM_USER", "sally"),
                        ("SITE_ID", "1"),
                        ("PHONES", "1123,3343,3234"),
                    ),
                ),
            ),
        ),
    ),
    notes=(
        "The USERS part belongs to ACTION LIST; the other actions answer with USERID.",
        "ADD ignores USERID. MODIFY and DELETE name the user by USERID, USERNAME, or first and last name.",
        "Deleting frees the phones and keeps the row, so that old recordings still name the right person.",
        "An ADD that meets an existing user changes nothing: a script may repeat it.",
    ),
    example=(("ACTION", "LIST"),),
    done=True,
)

IMPORTAGENTPHONE = Command(
    name="IMPORTAGENTPHONE",
    family="imports",
    sentence="Gives a phone to an agent, or takes it away.",
    parameters=(p.ACTION.allowing("ADD", "DELETE"), p.PHONEID, p.AGENTID, p.FIRSTNAME, p.LASTNAME),
    requires=(
        needs("ACTION"),
        needs("PHONEID"),
        any_of(
            "AGENTID", ("FIRSTNAME", "LASTNAME"), label=AGENT_NOT_FOUND, message="Could not find an agent: none named"
        ),
    ),
    returns=(
        DONE,
        Return(label="API_AGENT_NOT_FOUND", sentence="The agent is not named or not known."),
        Return(label="API_ERROR_KEYS_NOT_UNIQUE", sentence="The phone belongs to another agent."),
        ACTIONS,
        FORMAT,
        DATABASE,
    ),
    reply=(("AGENTID", "2"),),
    notes=("AGENTID is the USERID and wins over the names; 0 counts as absent.",),
    example=(("ACTION", "ADD"), ("PHONEID", "1234"), ("FIRSTNAME", "John"), ("LASTNAME", "Doe")),
    done=True,
)

IMPORTWORKSTATION = Command(
    name="IMPORTWORKSTATION",
    family="imports",
    sentence="Maps a computer to a device.",
    parameters=(p.DEVICEID, p.STATIONNAME, p.LOCATIONID),
    requires=(needs("DEVICEID", "STATIONNAME"),),
    returns=(DONE, FORMAT, DATABASE),
    reply=(("DEVICEID", "1234"), ("STATIONNAME", "COMPUTER1")),
    notes=(
        "Mappings that hold either the device or the computer are deleted first.",
        "DEVICEID in the answer is what the database holds.",
    ),
    example=(("DEVICEID", "1234"), ("STATIONNAME", "COMPUTER1"), ("LOCATIONID", "1")),
    done=True,
)

COMMANDS = (IMPORTUSER, IMPORTAGENTPHONE, IMPORTWORKSTATION)
