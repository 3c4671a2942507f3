"""Groups, roles and users, and what the specification files beside them: EMAIL, COMBINEDEMAIL, AGENTWINDOW.

Only data lives here. The one rule: GROUPNAME is a QA group; the ACD group is GROUP and belongs to calls.
"""

from dataclasses import replace

from earshot.protocol import parameters as p
from earshot.protocol.command import Command, Requirement, Return, any_of, needs
from earshot.protocol.commands.imports import ACTIONS, DATABASE, DONE, FORMAT
from earshot.protocol.results import AGENT_NOT_FOUND

NO_ROLE = Return(label="API_ROLE_NOT_FOUND", sentence="The role does not exist.")
NO_GROUP = Return(label="API_NO_GROUP", sentence="The QA group does not exist or is not active.")
A_ROLE = any_of("ROLEID", "ROLENAME")
MAIL_RETURNS = (
    Return(label="API_EMAIL_NOT_VALID", sentence="An e-mail address is not valid."),
    Return(label="API_ERROR_CLIENT_NOT_FOUND", sentence="No mail server is configured, or it cannot be reached."),
    Return(label="API_FILE_NOT_FOUND", sentence="A recording or its media is not there."),
)

ADDGROUP = Command(
    name="ADDGROUP",
    family="people",
    sentence="Adds a QA group.",
    parameters=(p.GROUPNAME,),
    requires=(needs("GROUPNAME"),),
    returns=(DONE, FORMAT),
    reply=(("GROUPID", "11"), ("GROUPNAME", "Sales & Marketing")),
    notes=("A name that exists already is answered the same way, with its GROUPID.",),
    example=(("GROUPNAME", "Sales & Marketing"),),
)

MODIFYGROUPPERMISSION = Command(
    name="MODIFYGROUPPERMISSION",
    family="people",
    sentence="Puts an agent's phone into a QA group, or takes it out.",
    parameters=(
        p.ACTION.allowing("ADD", "DELETE"),
        p.PHONEID,
        p.DEVICEID,
        p.GROUPNAME,
        p.GROUPID,
        p.FIRSTNAME,
        p.LASTNAME,
        p.AGENTID,
    ),
    requires=(
        needs("ACTION"),
        any_of("PHONEID", "DEVICEID"),
        any_of("GROUPNAME", "GROUPID"),
        any_of(
            ("FIRSTNAME", "LASTNAME"), "AGENTID", label=AGENT_NOT_FOUND, message="Could not find an agent: none named"
        ),
    ),
    returns=(
        DONE,
        Return(label="API_AGENT_NOT_FOUND", sentence="The agent is not named or not known."),
        NO_GROUP,
        ACTIONS,
        FORMAT,
        DATABASE,
    ),
    reply=(("GROUPID", "11"), ("AGENTID", "2")),
    notes=("Names win over numbers here. The answer repeats the parameters, with GROUPID and AGENTID.",),
    example=(
        ("ACTION", "ADD"),
        ("GROUPNAME", "Sales & Marketing"),
        ("FIRSTNAME", "John"),
        ("LASTNAME", "Doe"),
        ("DEVICEID", "1234"),
    ),
)

MODIFYROLE = Command(
    name="MODIFYROLE",
    family="people",
    sentence="Adds, changes or deletes a role.",
    parameters=(p.ACTION.allowing("ADD", "MODIFY", "DELETE"), p.ROLENAME, p.DESCRIPTION),
    requires=(needs("ACTION"), needs("ROLENAME")),
    returns=(
        DONE,
        ACTIONS,
        FORMAT,
        Return(label="API_ROLE_ALREADY_EXISTS", sentence="A role of that name exists; nothing was changed."),
        NO_ROLE,
        DATABASE,
    ),
    notes=("RESULTMSG is `Role Added`, `Role Modified` or `Role Deleted`.",),
    example=(("ACTION", "ADD"), ("ROLENAME", "DefaultRole"), ("DESCRIPTION", "Adding Default Role")),
)


def _of_a_role(
    name: str,
    sentence: str,
    *more: p.Parameter,
    actions: tuple[str, ...],
    extra: Requirement,
    returns: tuple[Return, ...],
    notes: tuple[str, ...],
    example: tuple[tuple[str, str], ...],
) -> Command:
    return Command(
        name=name,
        family="people",
        sentence=sentence,
        parameters=(p.ACTION.allowing(*actions), p.ROLEID, p.ROLENAME, *more),
        requires=(needs("ACTION"), A_ROLE, extra),
        returns=(DONE, ACTIONS, FORMAT, NO_ROLE, *returns, DATABASE),
        notes=notes,
        example=(("ACTION", "ADD"), ("ROLENAME", "DefaultRole"), *example),
    )


MODIFYROLEGROUPPERMISSION = _of_a_role(
    "MODIFYROLEGROUPPERMISSION",
    "Gives a role access to a QA group, or takes it away.",
    p.GROUPNAME,
    actions=("ADD", "DELETE"),
    extra=needs("GROUPNAME"),
    returns=(NO_GROUP,),
    notes=("An unknown group is API_NO_GROUP with the message `Group <name> does not exist or it is not active`.",),
    example=(("GROUPNAME", "Sales"),),
)
MODIFYUSERROLE = _of_a_role(
    "MODIFYUSERROLE",
    "Gives a role to a user, or takes it away.",
    p.USERID,
    p.USERNAME,
    p.SYSTEMUSERNAME,
    p.FIRSTNAME,
    p.LASTNAME,
    actions=("ADD", "MODIFY", "DELETE"),
    extra=any_of("USERID", "USERNAME", "SYSTEMUSERNAME", ("FIRSTNAME", "LASTNAME")),
    returns=(Return(label="API_USER_NOT_FOUND", sentence="The user does not exist."),),
    notes=(
        "USERID wins over USERNAME, SYSTEMUSERNAME, and first and last name, in this order.",
        "MODIFY makes the role the user's only one. RESULTMSG is `User <number> is assigned role <name>`.",
    ),
    example=(("USERNAME", "TestUser"),),
)
MODIFYROLEPERMISSION = _of_a_role(
    "MODIFYROLEPERMISSION",
    "Gives a permission to a role, or takes it away.",
    p.PERMISSIONNAME,
    actions=("ADD", "DELETE"),
    extra=needs("PERMISSIONNAME"),
    returns=(),
    notes=("RESULTMSG is `Permission Added` or `Permission Deleted`.",),
    example=(("PERMISSIONNAME", "HOMEPAGEWIDGETS"),),
)

EMAIL = Command(
    name="EMAIL",
    family="people",
    sentence="Sends the media of recordings by e-mail.",
    parameters=(p.IDENT, p.TOADDRESS, p.MEDIA_FORMAT),
    requires=(needs("IDENT", "TOADDRESS", "MEDIA_FORMAT"),),
    returns=(DONE, *MAIL_RETURNS, FORMAT),
    notes=("Several recordings are sent as one ZIP file.",),
    example=(("IDENT", "488373"), ("TOADDRESS", "jdoe@uptivity.com"), ("MEDIA_FORMAT", "WAV")),
)

COMBINEDEMAIL = Command(
    name="COMBINEDEMAIL",
    family="people",
    sentence="Sends several recordings, joined into one file, by e-mail.",
    parameters=(
        p.TOADDRESS,
        p.TONAME,
        p.FROMADDRESS,
        p.FROMNAME,
        p.IDENT,
        replace(p.UNIQUEID, spellings=("UNIQUE_ID", "UNIQUEFIELD"), meaning="Name of the field that IDENT holds."),
        p.MEDIA_FORMAT,
    ),
    requires=(needs("TOADDRESS", "TONAME", "FROMADDRESS", "FROMNAME", "IDENT", "UNIQUEID"),),
    returns=(DONE, *MAIL_RETURNS, FORMAT),
    notes=("UNIQUEID holds the name of a field (IDENT), unlike EXPORT. The server's settings limit the sender.",),
    example=(
        ("TOADDRESS", "jane.doe@uptivity.com"),
        ("TONAME", "jane"),
        ("FROMADDRESS", "jane.doe@uptivity.com"),
        ("FROMNAME", "jane"),
        ("IDENT", "1509"),
        ("UNIQUEID", "IDENT"),
    ),
)

AGENTWINDOW = Command(
    name="AGENTWINDOW",
    family="people",
    sentence="Shows what was last seen in the agent's window.",
    parameters=(p.COMPUTERNAME, p.USERNAME),
    requires=(
        any_of("COMPUTERNAME", "USERNAME", label=AGENT_NOT_FOUND, message="Could not find an agent: none named"),
    ),
    returns=(DONE, Return(label="API_AGENT_NOT_FOUND", sentence="Nobody is named or found."), DATABASE),
    reply=(
        ("DOMAIN", "uptivity.com"),
        ("IPADDRESS", "10.100.5.91"),
        ("STATUS", "AVAILABLE"),
        ("APPLICATIONTITLE", "Internet Explorer"),
        ("LASTUPDATE", "Feb 2 2011 4:53PM"),
    ),
    notes=("With both COMPUTERNAME and USERNAME, both must match.",),
    example=(("COMPUTERNAME", "ceddy"), ("USERNAME", "ceddy")),
)

COMMANDS = (
    ADDGROUP,
    MODIFYGROUPPERMISSION,
    MODIFYROLE,
    MODIFYROLEGROUPPERMISSION,
    MODIFYUSERROLE,
    MODIFYROLEPERMISSION,
    EMAIL,
    COMBINEDEMAIL,
    AGENTWINDOW,
)
