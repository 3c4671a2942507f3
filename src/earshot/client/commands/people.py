"""Groups, roles and users, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from typing import Literal

from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Many, Text, Whole


class PeopleCommands(Sender[Answer, File]):
    """Groups, roles and users."""

    def addgroup(
        self, *, groupname: Text, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Adds a QA group.

        groupname: Name of the QA group.

        Required: GROUPNAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        A name that exists already is answered the same way, with its GROUPID.
        Answers: API_OK, API_INVALID_MESSAGE_FORMAT, API_DATABASE_QUERY_ERROR.
        """
        return self.send("ADDGROUP", {"GROUPNAME": groupname}, check=check, timeout_s=timeout_s)

    def modifygrouppermission(
        self, *, action: Literal["ADD", "DELETE"], phoneid: Text | None = None, deviceid: Text | None = None,
        groupname: Text | None = None, groupid: Whole | None = None, firstname: Text | None = None,
        lastname: Text | None = None, agentid: Whole | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Puts an agent's phone into a QA group, or takes it out.

        action: What is to be done.
        phoneid: Phone number that belongs to an agent.
        deviceid: Number of the phone or voice port, usually the extension.
        groupname: Name of the QA group.
        groupid: Number of the QA group.
        firstname: First name.
        lastname: Last name.
        agentid: USERID of the agent; 0 counts as absent.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: PHONEID; DEVICEID. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: GROUPNAME; GROUPID. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: FIRSTNAME and LASTNAME; AGENTID. Otherwise API_AGENT_NOT_FOUND.
        Names win over numbers here. The answer repeats the parameters, with GROUPID and AGENTID.
        The phone must belong to the agent; DEVICEID is read as a PHONEID, which counts where both are given.
        Putting in what is in, and taking out what is not, is a success that changes nothing.
        Answers: API_OK, API_AGENT_NOT_FOUND, API_NO_GROUP, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT,
            API_DATABASE_QUERY_ERROR.
        """
        return self.send("MODIFYGROUPPERMISSION", {
            "ACTION": action, "PHONEID": phoneid, "DEVICEID": deviceid, "GROUPNAME": groupname, "GROUPID": groupid,
            "FIRSTNAME": firstname, "LASTNAME": lastname, "AGENTID": agentid,
        }, check=check, timeout_s=timeout_s)

    def modifyrole(
        self, *, action: Literal["ADD", "MODIFY", "DELETE"], rolename: Text, description: Text | None = None,
        check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Adds, changes or deletes a role.

        action: What is to be done.
        rolename: Name of the role.
        description: What the role is for.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        Required: ROLENAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        RESULTMSG is `Role Added`, `Role Modified` or `Role Deleted`.
        MODIFY sets DESCRIPTION, blank too; a role cannot be renamed. Letter case does not tell roles apart.
        The built-in role DefaultAgent cannot be deleted: API_ERROR_INVALID_ACTION.
        Answers: API_OK, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT, API_ROLE_ALREADY_EXISTS,
            API_ROLE_NOT_FOUND, API_DATABASE_QUERY_ERROR.
        """
        return self.send("MODIFYROLE", {
            "ACTION": action, "ROLENAME": rolename, "DESCRIPTION": description,
        }, check=check, timeout_s=timeout_s)

    def modifyrolegrouppermission(
        self, *, action: Literal["ADD", "DELETE"], groupname: Text, roleid: Whole | None = None,
        rolename: Text | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Gives a role access to a QA group, or takes it away.

        action: What is to be done.
        groupname: Name of the QA group.
        roleid: Number of the role.
        rolename: Name of the role.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: ROLEID; ROLENAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        Required: GROUPNAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        An unknown group is API_NO_GROUP with the message `Group <name> does not exist or it is not active`; with
            `strict_legacy` it is API_OK with that message, as in the specification's example.
        ROLEID wins over ROLENAME. RESULTMSG is `Group Added` or `Group Deleted`.
        Answers: API_OK, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT, API_ROLE_NOT_FOUND, API_NO_GROUP,
            API_DATABASE_QUERY_ERROR.
        """
        return self.send("MODIFYROLEGROUPPERMISSION", {
            "ACTION": action, "GROUPNAME": groupname, "ROLEID": roleid, "ROLENAME": rolename,
        }, check=check, timeout_s=timeout_s)

    def modifyuserrole(
        self, *, action: Literal["ADD", "MODIFY", "DELETE"], roleid: Whole | None = None, rolename: Text | None = None,
        userid: Whole | None = None, username: Text | None = None, systemusername: Text | None = None,
        firstname: Text | None = None, lastname: Text | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Gives a role to a user, or takes it away.

        action: What is to be done.
        roleid: Number of the role.
        rolename: Name of the role.
        userid: Number of the user.
        username: Login name of the user.
        systemusername: User name in the operating system.
        firstname: First name.
        lastname: Last name.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: ROLEID; ROLENAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: USERID; USERNAME; SYSTEMUSERNAME; FIRSTNAME and LASTNAME. Otherwise
            API_INVALID_MESSAGE_FORMAT.
        USERID wins over USERNAME, SYSTEMUSERNAME, and first and last name, in this order.
        A name that several users have finds nobody. ROLEID wins over ROLENAME.
        MODIFY makes the role the user's only one. RESULTMSG is `User <number> is assigned role <name>`, for DELETE
            `User <number> is no longer assigned role <name>`.
        Answers: API_OK, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT, API_ROLE_NOT_FOUND, API_USER_NOT_FOUND,
            API_DATABASE_QUERY_ERROR.
        """
        return self.send("MODIFYUSERROLE", {
            "ACTION": action, "ROLEID": roleid, "ROLENAME": rolename, "USERID": userid, "USERNAME": username,
            "SYSTEMUSERNAME": systemusername, "FIRSTNAME": firstname, "LASTNAME": lastname,
        }, check=check, timeout_s=timeout_s)

    def modifyrolepermission(
        self, *, action: Literal["ADD", "DELETE"], permissionname: Text, roleid: Whole | None = None,
        rolename: Text | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Gives a permission to a role, or takes it away.

        action: What is to be done.
        permissionname: Name of the permission, upper case, no spaces.
        roleid: Number of the role.
        rolename: Name of the role.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: ROLEID; ROLENAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        Required: PERMISSIONNAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        RESULTMSG is `Permission Added` or `Permission Deleted`. ROLEID wins over ROLENAME.
        PERMISSIONNAME is a name of the table in `docs/roles.md`, or the words of the portal (`Allow Home Page
            Widgets`), in any letter case.
        Answers: API_OK, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT, API_ROLE_NOT_FOUND,
            API_DATABASE_QUERY_ERROR.
        """
        return self.send("MODIFYROLEPERMISSION", {
            "ACTION": action, "PERMISSIONNAME": permissionname, "ROLEID": roleid, "ROLENAME": rolename,
        }, check=check, timeout_s=timeout_s)

    def email(
        self, *, ident: Many, toaddress: Text, media_format: Literal["WAV", "MP3", "VOX", "CAV"], check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Sends the media of recordings by e-mail.

        ident: Numbers of the recordings.
        toaddress: Where the mail goes.
        media_format: Format of the media.

        All of: IDENT, TOADDRESS, MEDIA_FORMAT. Otherwise API_INVALID_MESSAGE_FORMAT.
        Several recordings are sent as one ZIP file.
        TOADDRESS may hold several addresses with commas or semicolons between them; each gets a mail of its own.
        The answer waits for the mail server up to the setting `mail_handoff_s`. A mail that is not taken by then is
            queued and tried for days: the answer is API_OK with a RESULTMSG that begins with `Queued`.
        Answers: API_OK, API_EMAIL_NOT_VALID, API_ERROR_CLIENT_NOT_FOUND, API_FILE_NOT_FOUND,
            API_ERROR_PROCESSING_MESSAGE, API_INVALID_MESSAGE_FORMAT, API_DATABASE_QUERY_ERROR.
        """
        return self.send("EMAIL", {
            "IDENT": ident, "TOADDRESS": toaddress, "MEDIA_FORMAT": media_format,
        }, check=check, timeout_s=timeout_s)

    def combinedemail(
        self, *, toaddress: Text, toname: Text, fromaddress: Text, fromname: Text, ident: Many, uniqueid: Text,
        media_format: Literal["WAV", "MP3", "VOX", "CAV", ""] | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Sends several recordings, joined into one file, by e-mail.

        toaddress: Where the mail goes.
        toname: Name of the one who gets the mail.
        fromaddress: Sender's address.
        fromname: Sender's name.
        ident: Numbers of the recordings.
        uniqueid: Name of the field that IDENT holds.
        media_format: Format of the media.

        All of: TOADDRESS, TONAME, FROMADDRESS, FROMNAME, IDENT, UNIQUEID. Otherwise API_INVALID_MESSAGE_FORMAT.
        UNIQUEID holds the name of a field (IDENT), unlike EXPORT; where a value fits several recordings the newest is
            taken.
        The recordings follow each other by ascending record number. Without MEDIA_FORMAT they come as the setting
            `mail_combined_format` says.
        A FROMADDRESS outside the domains of the setting `smtp_from_domains` becomes Reply-To, or is refused.
        TOADDRESS may hold several addresses with commas or semicolons between them; each gets a mail of its own.
        The answer waits for the mail server up to the setting `mail_handoff_s`. A mail that is not taken by then is
            queued and tried for days: the answer is API_OK with a RESULTMSG that begins with `Queued`.
        Answers: API_OK, API_EMAIL_NOT_VALID, API_ERROR_CLIENT_NOT_FOUND, API_FILE_NOT_FOUND,
            API_ERROR_PROCESSING_MESSAGE, API_INVALID_MESSAGE_FORMAT, API_DATABASE_QUERY_ERROR.
        """
        return self.send("COMBINEDEMAIL", {
            "TOADDRESS": toaddress, "TONAME": toname, "FROMADDRESS": fromaddress, "FROMNAME": fromname, "IDENT": ident,
            "UNIQUEID": uniqueid, "MEDIA_FORMAT": media_format,
        }, check=check, timeout_s=timeout_s)

    def agentwindow(
        self, *, computername: Text | None = None, username: Text | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Shows what was last seen in the agent's window.

        computername: Computer whose window is asked for.
        username: Login name of the user.

        At least one of: COMPUTERNAME; USERNAME. Otherwise API_AGENT_NOT_FOUND.
        With both COMPUTERNAME and USERNAME, both must match; of several desktops the newest is shown.
        STATUS is AWAY when the desktop agent has not been heard for some time.
        Answers: API_OK, API_AGENT_NOT_FOUND, API_DATABASE_QUERY_ERROR.
        """
        return self.send("AGENTWINDOW", {
            "COMPUTERNAME": computername, "USERNAME": username,
        }, check=check, timeout_s=timeout_s)
