"""Imports, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from typing import Literal

from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Flag, Many, Text, Whole


class ImportsCommands(Sender[Answer, File]):
    """Imports."""

    def importuser(
        self, *, action: Literal["ADD", "DELETE", "MODIFY", "LIST"], userid: Whole | None = None,
        username: Text | None = None, employeeid: Text | None = None, firstname: Text | None = None,
        lastname: Text | None = None, status: Literal["A", "I", ""] | None = None, agent: Flag | None = None,
        add_time: Text | None = None, mod_time: Text | None = None, sys_user: Text | None = None,
        domain: Text | None = None, email: Text | None = None, crm_user: Text | None = None,
        password: Text | None = None, siteid: Text | None = None, phones: Many | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Adds, changes, deletes or lists users.

        action: What is to be done.
        userid: Number of the user.
        username: Login name of the user.
        employeeid: The user's number as an employee.
        firstname: First name.
        lastname: Last name.
        status: A active and an agent, I inactive and not an agent.
        agent: Whether the user is an agent; overrides STATUS.
        add_time: When the user was added, with offset from UTC.
        mod_time: When the user was last changed, with offset from UTC.
        sys_user: The agent's user name in the operating system.
        domain: Domain of the SYS_USER.
        email: E-mail address.
        crm_user: The agent's user name in the CRM.
        password: Password; never written to a log or a reply.
        siteid: Number of the site.
        phones: Phone numbers of the agent.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: USERNAME; FIRSTNAME and LASTNAME (when ACTION is ADD). Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: USERID; USERNAME; FIRSTNAME and LASTNAME (when ACTION is MODIFY or DELETE). Otherwise
            API_INVALID_MESSAGE_FORMAT.
        The USERS part belongs to ACTION LIST; the other actions answer with USERID.
        ADD ignores USERID. MODIFY and DELETE name the user by USERID, USERNAME, or first and last name.
        Deleting frees the phones and keeps the row, so that old recordings still name the right person.
        An ADD that meets an existing user changes nothing: a script may repeat it.
        Answers: API_OK, API_ERROR_INVALID_ACTION, API_INVALID_MESSAGE_FORMAT, API_USER_ALREADY_EXIST,
            API_USER_NOT_FOUND, API_ERROR_KEYS_NOT_UNIQUE, API_DATABASE_QUERY_ERROR.
        """
        return self.send("IMPORTUSER", {
            "ACTION": action, "USERID": userid, "USERNAME": username, "EMPLOYEEID": employeeid, "FIRSTNAME": firstname,
            "LASTNAME": lastname, "STATUS": status, "AGENT": agent, "ADD_TIME": add_time, "MOD_TIME": mod_time,
            "SYS_USER": sys_user, "DOMAIN": domain, "EMAIL": email, "CRM_USER": crm_user, "PASSWORD": password,
            "SITEID": siteid, "PHONES": phones,
        }, check=check, timeout_s=timeout_s)

    def importagentphone(
        self, *, action: Literal["ADD", "DELETE"], phoneid: Text, agentid: Whole | None = None,
        firstname: Text | None = None, lastname: Text | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Gives a phone to an agent, or takes it away.

        action: What is to be done.
        phoneid: Phone number that belongs to an agent.
        agentid: USERID of the agent; 0 counts as absent.
        firstname: First name.
        lastname: Last name.

        Required: ACTION. Otherwise API_INVALID_MESSAGE_FORMAT.
        Required: PHONEID. Otherwise API_INVALID_MESSAGE_FORMAT.
        At least one of: AGENTID; FIRSTNAME and LASTNAME. Otherwise API_AGENT_NOT_FOUND.
        AGENTID is the USERID and wins over the names; 0 counts as absent.
        Answers: API_OK, API_AGENT_NOT_FOUND, API_ERROR_KEYS_NOT_UNIQUE, API_ERROR_INVALID_ACTION,
            API_INVALID_MESSAGE_FORMAT, API_DATABASE_QUERY_ERROR.
        """
        return self.send("IMPORTAGENTPHONE", {
            "ACTION": action, "PHONEID": phoneid, "AGENTID": agentid, "FIRSTNAME": firstname, "LASTNAME": lastname,
        }, check=check, timeout_s=timeout_s)

    def importworkstation(
        self, *, deviceid: Text, stationname: Text, locationid: Whole | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Maps a computer to a device.

        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        locationid: Number of the location; 1 where absent.

        All of: DEVICEID, STATIONNAME. Otherwise API_INVALID_MESSAGE_FORMAT.
        Mappings that hold either the device or the computer are deleted first.
        DEVICEID in the answer is what the database holds.
        Answers: API_OK, API_INVALID_MESSAGE_FORMAT, API_DATABASE_QUERY_ERROR.
        """
        return self.send("IMPORTWORKSTATION", {
            "DEVICEID": deviceid, "STATIONNAME": stationname, "LOCATIONID": locationid,
        }, check=check, timeout_s=timeout_s)
