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
    Return(
        label="API_EMAIL_NOT_VALID",
        sentence="An e-mail address is not valid or not allowed, or the mail server refused it for good.",
    ),
    Return(label="API_ERROR_CLIENT_NOT_FOUND", sentence="No mail server is configured."),
    Return(label="API_FILE_NOT_FOUND", sentence="A recording or its media is not there."),
    Return(
        label="API_ERROR_PROCESSING_MESSAGE", sentence="The mail is too large, or the mail server refused it for good."
    ),
)
MAIL_NOTES = (
    "TOADDRESS may hold several addresses with commas or semicolons between them; each gets a mail of its own.",
    "The answer waits for the mail server up to the setting `mail_handoff_s`. A mail that is not taken by then is "
    "queued and tried for days: the answer is API_OK with a RESULTMSG that begins with `Queued`.",
)

ADDGROUP = Command(
    name="ADDGROUP",
    family="people",
    sentence="Adds a QA group.",
    parameters=(p.GROUPNAME,),
    requires=(needs("GROUPNAME"),),
    returns=(DONE, FORMAT, DATABASE),
    reply=(("GROUPID", "11"), ("GROUPNAME", "Sales & Marketing")),
    notes=("A name that exists already is answered the same way, with its GROUPID.",),
    example=(("GROUPNAME", "Sales & Marketing"),),
    done=True,
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
    notes=(
        "Names win over numbers here. The answer repeats the parameters, with GROUPID and AGENTID.",
        "The phone must belong to the agent; DEVICEID is read as a PHONEID, which counts where both are given.",
        "Putting in what is in, and taking out what is not, is a success that changes nothing.",
    ),
    example=(
        ("ACTION", "ADD"),
        ("GROUPNAME", "Sales & Marketing"),
        ("FIRSTNAME", "John"),
        ("LASTNAME", "Doe"),
        ("DEVICEID", "1234"),
    ),
    done=True,
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
    notes=(
        "RESULTMSG is `Role Added`, `Role Modified` or `Role Deleted`.",
        "MODIFY sets DESCRIPTION, blank too; a role cannot be renamed. Letter case does not tell roles apart.",
        "The built-in role DefaultAgent cannot be deleted: API_ERROR_INVALID_ACTION.",
    ),
    example=(("ACTION", "ADD"), ("ROLENAME", "DefaultRole"), ("DESCRIPTION", "Adding Default Role")),
    done=True,
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
        done=True,
    )


MODIFYROLEGROUPPERMISSION = _of_a_role(
    "MODIFYROLEGROUPPERMISSION",
    "Gives a role access to a QA group, or takes it away.",
    p.GROUPNAME,
    actions=("ADD", "DELETE"),
    extra=needs("GROUPNAME"),
    returns=(NO_GROUP,),
    notes=(
        "An unknown group is API_NO_GROUP with the message `Group <name> does not exist or it is not active`; "
        "with `strict_legacy` it is API_OK with that message, as in the specification's example.",
        "ROLEID wins over ROLENAME. RESULTMSG is `Group Added` or `Group Deleted`.",
    ),
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
        "A name that several users have finds nobody. ROLEID wins over ROLENAME.",
        "MODIFY makes the role the user's only one. RESULTMSG is `User <number> is assigned role <name>`, "
        "for DELETE `User <number> is no longer assigned role <name>`.",
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
    notes=(
        "RESULTMSG is `Permission Added` or `Permission Deleted`. ROLEID wins over ROLENAME.",
        "PERMISSIONNAME is a name of the table in `docs/roles.md`, or the words of the portal "
        "(`Allow Home Page Widgets`), in any letter case.",
    ),
    example=(("PERMISSIONNAME", "HOMEPAGEWIDGETS"),),
)

EMAIL = Command(
    name="EMAIL",
    family="people",
    sentence="Sends the media of recordings by e-mail.",
    parameters=(p.IDENT, p.TOADDRESS, p.MEDIA_FORMAT),
    requires=(needs("IDENT", "TOADDRESS", "MEDIA_FORMAT"),),
    returns=(DONE, *MAIL_RETURNS, FORMAT, DATABASE),
    notes=("Several recordings are sent as one ZIP file.", *MAIL_NOTES),
    example=(("IDENT", "488373"), ("TOADDRESS", "jdoe@uptivity.com"), ("MEDIA_FORMAT", "WAV")),
    done=True,
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
        replace(p.UNIQUEID, spellings=("UNIQUE_ID", "UNIQUE_FIELD"), meaning="Name of the field that IDENT holds."),
        p.MEDIA_FORMAT,
    ),
    requires=(needs("TOADDRESS", "TONAME", "FROMADDRESS", "FROMNAME", "IDENT", "UNIQUEID"),),
    returns=(DONE, *MAIL_RETURNS, FORMAT, DATABASE),
    notes=(
        "UNIQUEID holds the name of a field (IDENT), unlike EXPORT; where a value fits several recordings the newest "
        "is taken.",
        "The recordings follow each other by ascending record number. Without MEDIA_FORMAT they come as the setting "
        "`mail_combined_format` says.",
        "A FROMADDRESS outside the domains of the setting `smtp_from_domains` becomes Reply-To, or is refused.",
        *MAIL_NOTES,
    ),
    example=(
        ("TOADDRESS", "jane.doe@uptivity.com"),
        ("TONAME", "jane"),
        ("FROMADDRESS", "jane.doe@uptivity.com"),
        ("FROMNAME", "jane"),
        ("IDENT", "1509"),
        ("UNIQUEID", "IDENT"),
    ),
    done=True,
)

AGENTWINDOW = Command(
    name="AGENTWINDOW",
    family="people",
    sentence="Shows what was last seen in the agent's window.",
    parameters=(p.COMPUTERNAME, p.USERNAME),
    requires=(
        any_of("COMPUTERNAME", "USERNAME", label=AGENT_NOT_FOUND, message="Could not find an agent: none named"),
    ),
    returns=(
        DONE,
        Return(label="API_AGENT_NOT_FOUND", sentence="Nobody is named or found."),
        replace(DATABASE, never="Never: the answer comes from memory, also while the database is away."),
    ),
    reply=(
        ("DOMAIN", "uptivity.com"),
        ("IPADDRESS", "10.100.5.91"),
        ("STATUS", "AVAILABLE"),
        ("APPLICATIONTITLE", "Internet Explorer"),
        ("LASTUPDATE", "Feb 2 2011 4:53PM"),
    ),
    notes=(
        "With both COMPUTERNAME and USERNAME, both must match; of several desktops the newest is shown.",
        "STATUS is AWAY when the desktop agent has not been heard for some time.",
    ),
    example=(("COMPUTERNAME", "ceddy"), ("USERNAME", "ceddy")),
    done=True,
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
