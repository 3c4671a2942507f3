"""Status, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Flag, Moment, Text, Whole


class StatusCommands(Sender[Answer, File]):
    """Status."""

    def test(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Answers at once: an echo test of the server.

        Answers: API_OK.
        """
        return self.send("TEST", {}, check=check, timeout_s=timeout_s)

    def devicelist(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Lists all devices, each with its most recently active call.

        One call per device; DEVICERECORDINGSTATUS shows all.
        Answers: API_OK.
        """
        return self.send("DEVICELIST", {}, check=check, timeout_s=timeout_s)

    def devicestatus(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, callid: Text | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Shows one device with its active, or most recently active, call.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        callid: The phone system's identifier of the call.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_DEVICE_INVALID. If several are given,
            the first of this list counts.
        RESULTMSG is `Found the following matching devices`.
        CALLID picks the call with that identifier.
        Answers: API_OK, API_DEVICE_INVALID.
        """
        return self.send("DEVICESTATUS", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "CALLID": callid,
        }, check=check, timeout_s=timeout_s)

    def devicerecordingstatus(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Shows all call instances of one device, each with the state of its recording.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.

        Exactly one of: DEVICEID; DEVICEALIAS; CRM_USER; SYS_USER. Otherwise API_DEVICE_INVALID. If several are given,
            the first of this list counts.
        RESULTMSG is `Following active call instances found for specified deviceID, devicealias, crm_user or sys_user`.
        One DEVICE with one RECORDING per call instance. STATUS is recording, recordpaused or notrecording.
        Answers: API_OK, API_DEVICE_INVALID.
        """
        return self.send("DEVICERECORDINGSTATUS", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
        }, check=check, timeout_s=timeout_s)

    def systemstatus(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Shows the health of the system: disk, processors, memory, time since start.

        Capacity and memory are in MB; RAMUSEDPCT is cut off, not rounded; one PROCESSORn per processor.
        Answers: API_OK.
        """
        return self.send("SYSTEMSTATUS", {}, check=check, timeout_s=timeout_s)

    def channels(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Shows the state of every recording channel.

        Answers: API_OK, API_DATABASE_QUERY_ERROR.
        """
        return self.send("CHANNELS", {}, check=check, timeout_s=timeout_s)

    def stations(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Lists the computers that are mapped to devices.

        Answers: API_OK, API_DATABASE_QUERY_ERROR.
        """
        return self.send("STATIONS", {}, check=check, timeout_s=timeout_s)

    def fetchterminology(
        self, *, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Lists what the fields are called in this house.

        Answers: API_OK, API_DATABASE_QUERY_ERROR.
        """
        return self.send("FETCHTERMINOLOGY", {}, check=check, timeout_s=timeout_s)

    def calllist(
        self, *, deviceid: Text | None = None, devicealias: Text | None = None, crm_user: Text | None = None,
        sys_user: Text | None = None, group: Text | None = None, gate: Text | None = None, ani: Text | None = None,
        dnis: Text | None = None, user1: Text | None = None, user2: Text | None = None, user3: Text | None = None,
        user4: Text | None = None, user5: Text | None = None, user6: Text | None = None, user7: Text | None = None,
        user8: Text | None = None, user9: Text | None = None, user10: Text | None = None, user11: Text | None = None,
        user12: Text | None = None, user13: Text | None = None, user14: Text | None = None, user15: Text | None = None,
        callcount: Whole | None = None, calldatestart: Moment | None = None, calldateend: Moment | None = None,
        playbacklink: Flag | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Lists recordings that match all given conditions, newest first.

        deviceid: Number of the phone or voice port, usually the extension.
        devicealias: The agent's number on the device (free seating).
        crm_user: The agent's user name in the CRM.
        sys_user: The agent's user name in the operating system.
        group: ACD group (hunt, skill or labour group).
        gate: ACD gate (queue or application).
        ani: The caller's number.
        dnis: The number that was called.
        user1 to user15: Free fields.
        callcount: Most rows to be returned.
        calldatestart: Recorded at or after this moment.
        calldateend: Recorded at or before this moment.
        playbacklink: Present, even if blank: a link to the player is added to each row, where the server has links
            enabled.

        A blank condition is ignored. Both ends of the time range belong to it.
        CALLCOUNT limits the answer to the newest; without it the server's own limit holds.
        RECORDINGTIME is Unix time, DURATION is in seconds.
        Answers: API_OK, API_DATABASE_QUERY_ERROR, API_INVALID_MESSAGE_FORMAT.
        """
        return self.send("CALLLIST", {
            "DEVICEID": deviceid, "DEVICEALIAS": devicealias, "CRM_USER": crm_user, "SYS_USER": sys_user,
            "GROUP": group, "GATE": gate, "ANI": ani, "DNIS": dnis, "USER1": user1, "USER2": user2, "USER3": user3,
            "USER4": user4, "USER5": user5, "USER6": user6, "USER7": user7, "USER8": user8, "USER9": user9,
            "USER10": user10, "USER11": user11, "USER12": user12, "USER13": user13, "USER14": user14, "USER15": user15,
            "CALLCOUNT": callcount, "CALLDATESTART": calldatestart, "CALLDATEEND": calldateend,
            "PLAYBACKLINK": playbacklink,
        }, check=check, timeout_s=timeout_s)
