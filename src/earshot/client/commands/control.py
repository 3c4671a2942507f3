"""Recording control, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from typing import Literal

from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Direction, Number, Text, Whole


class ControlCommands(Sender[Answer, File]):
    """Recording control."""

    def chatstart(
        self, *, sessionid: Text, agentid: Whole | None = None,
        keyname: Literal["USERNAME", "SYS_USER", "EMPLOYEEID", "CRM_USER", "DEVICEALIAS", ""] | None = None,
        keyvalue: Text | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Starts a recording of the agent's screen alone.

        sessionid: Identifier of the screen session.
        agentid: USERID of the agent; 0 counts as absent.
        keyname: Field by which the agent is looked up.
        keyvalue: Value of the KEYNAME field.

        Required: SESSIONID. Otherwise API_SESSIONID_UNSPECIFIED.
        At least one of: AGENTID; KEYNAME and KEYVALUE. Otherwise API_AGENT_NOT_FOUND.
        A SESSIONID that is running already goes on; the answer is API_OK.
        API_OK does not say that there is a desktop to capture: the session's row says what became of it.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_SESSIONID_UNSPECIFIED,
            API_AGENT_NOT_FOUND, API_INVALID_MESSAGE_FORMAT, API_ERROR_OUT_OF_DISK_SPACE, API_DATABASE_QUERY_ERROR.
        """
        return self.send("CHATSTART", {
            "SESSIONID": sessionid, "AGENTID": agentid, "KEYNAME": keyname, "KEYVALUE": keyvalue,
        }, check=check, timeout_s=timeout_s)

    def chatstop(
        self, *, sessionid: Text, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Ends a recording of the agent's screen alone.

        sessionid: Identifier of the screen session.

        Required: SESSIONID. Otherwise API_SESSIONID_UNSPECIFIED.
        An unknown SESSIONID is no error: the answer is API_OK.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_SESSIONID_UNSPECIFIED.
        """
        return self.send("CHATSTOP", {"SESSIONID": sessionid}, check=check, timeout_s=timeout_s)

    def chatupdate(
        self, *, sessionid: Text, devicealias: Text | None = None, group: Text | None = None, gate: Text | None = None,
        ani: Text | None = None, dnis: Text | None = None, user1: Text | None = None, user2: Text | None = None,
        user3: Text | None = None, user4: Text | None = None, user5: Text | None = None, user6: Text | None = None,
        user7: Text | None = None, user8: Text | None = None, user9: Text | None = None, user10: Text | None = None,
        user11: Text | None = None, user12: Text | None = None, user13: Text | None = None, user14: Text | None = None,
        user15: Text | None = None, calldirection: Direction | None = None, callid: Text | None = None,
        keepdays: Whole | None = None, archiveaction: Whole | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Updates a screen session in progress.

        sessionid: Identifier of the screen session.
        devicealias: The agent's number on the device (free seating).
        group: ACD group (hunt, skill or labour group).
        gate: ACD gate (queue or application).
        ani: The caller's number.
        dnis: The number that was called.
        user1 to user15: Free fields.
        calldirection: Inbound or outbound.
        callid: The phone system's identifier of the call.
        keepdays: Days to keep the recording; -1 is unset.
        archiveaction: Number of the archive action; -1 is unset.

        Required: SESSIONID. Otherwise API_SESSIONID_UNSPECIFIED.
        An empty element sets USERn, GROUP, GATE, ANI and DNIS blank; an absent one leaves them.
        An unknown SESSIONID is no error: the answer is API_OK.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_SESSIONID_UNSPECIFIED,
            API_INVALID_MESSAGE_FORMAT.
        """
        return self.send("CHATUPDATE", {
            "SESSIONID": sessionid, "DEVICEALIAS": devicealias, "GROUP": group, "GATE": gate, "ANI": ani, "DNIS": dnis,
            "USER1": user1, "USER2": user2, "USER3": user3, "USER4": user4, "USER5": user5, "USER6": user6,
            "USER7": user7, "USER8": user8, "USER9": user9, "USER10": user10, "USER11": user11, "USER12": user12,
            "USER13": user13, "USER14": user14, "USER15": user15, "CALLDIRECTION": calldirection, "CALLID": callid,
            "KEEPDAYS": keepdays, "ARCHIVEACTION": archiveaction,
        }, check=check, timeout_s=timeout_s)

    def blackoutstart(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, timeoffset: Number | None = None, callinstance: Text | None = None,
        check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Starts a span of one call that must not be heard or seen.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        timeoffset: Seconds to add to the moment the message arrives; negative reaches back.
        callinstance: Tells the simultaneous calls of one device apart.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_AGENT_NOT_FOUND. If several are given,
            the first of this list counts.
        The moment is that of the message's arrival plus TIMEOFFSET, in seconds.
        A missing CALLINSTANCE is that of the last call on the device.
        A second start inside a running blackout changes nothing; the end of the call ends it.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_AGENT_NOT_FOUND,
            API_DEVICE_INVALID.
        """
        return self.send("BLACKOUTSTART", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "TIMEOFFSET": timeoffset, "CALLINSTANCE": callinstance,
        }, check=check, timeout_s=timeout_s)

    def agentblackoutstart(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, timeoffset: Number | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Starts a span of an agent's time, across calls, that must not be heard or seen.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        timeoffset: Seconds to add to the moment the message arrives; negative reaches back.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_AGENT_NOT_FOUND. If several are given,
            the first of this list counts.
        The moment is that of the message's arrival plus TIMEOFFSET, in seconds.
        Only AGENTBLACKOUTSTOP or the longest allowed time ends it.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_AGENT_NOT_FOUND,
            API_DEVICE_INVALID.
        """
        return self.send("AGENTBLACKOUTSTART", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "TIMEOFFSET": timeoffset,
        }, check=check, timeout_s=timeout_s)

    def blackoutstop(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, timeoffset: Number | None = None, callinstance: Text | None = None,
        check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Ends the blackout of one call.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        timeoffset: Seconds to add to the moment the message arrives; negative reaches back.
        callinstance: Tells the simultaneous calls of one device apart.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_AGENT_NOT_FOUND. If several are given,
            the first of this list counts.
        The moment is that of the message's arrival plus TIMEOFFSET, in seconds.
        A stop that falls before its start is moved to the start. Nothing to stop is no error.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_AGENT_NOT_FOUND,
            API_DEVICE_INVALID.
        """
        return self.send("BLACKOUTSTOP", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "TIMEOFFSET": timeoffset, "CALLINSTANCE": callinstance,
        }, check=check, timeout_s=timeout_s)

    def agentblackoutstop(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, timeoffset: Number | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Ends the blackout of an agent.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        timeoffset: Seconds to add to the moment the message arrives; negative reaches back.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_AGENT_NOT_FOUND. If several are given,
            the first of this list counts.
        The moment is that of the message's arrival plus TIMEOFFSET, in seconds.
        A stop that falls before its start is moved to the start. Nothing to stop is no error.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_AGENT_NOT_FOUND,
            API_DEVICE_INVALID.
        """
        return self.send("AGENTBLACKOUTSTOP", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "TIMEOFFSET": timeoffset,
        }, check=check, timeout_s=timeout_s)
