"""Call handling, as methods. Made from the command table by `python -m earshot.client.generate`."""

# fmt: off
from earshot.client.sender import Answer, File, Sender
from earshot.client.values import Direction, Flag, Text, Whole


class CallsCommands(Sender[Answer, File]):
    """Call handling."""

    def callstart(
        self, *, deviceid: Text | None = None, stationname: Text | None = None, devicealias: Text | None = None,
        sys_user: Text | None = None, crm_user: Text | None = None, callinstance: Text | None = None,
        group: Text | None = None, gate: Text | None = None, ani: Text | None = None, dnis: Text | None = None,
        user1: Text | None = None, user2: Text | None = None, user3: Text | None = None, user4: Text | None = None,
        user5: Text | None = None, user6: Text | None = None, user7: Text | None = None, user8: Text | None = None,
        user9: Text | None = None, user10: Text | None = None, user11: Text | None = None, user12: Text | None = None,
        user13: Text | None = None, user14: Text | None = None, user15: Text | None = None, callid: Text | None = None,
        priority: Text | None = None, calldirection: Direction | None = None, maxrecordsilence: Whole | None = None,
        maxrecordtime: Whole | None = None, agentinitiated: Flag | None = None, ctiinitiated: Flag | None = None,
        archiveaction: Whole | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Says that a device has started a call, and offers the call to the recording schedules.

        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        devicealias: The agent's number on the device (free seating).
        sys_user: The agent's user name in the operating system.
        crm_user: The agent's user name in the CRM.
        callinstance: Tells the simultaneous calls of one device apart.
        group: ACD group (hunt, skill or labour group).
        gate: ACD gate (queue or application).
        ani: The caller's number.
        dnis: The number that was called.
        user1 to user15: Free fields.
        callid: The phone system's identifier of the call.
        priority: Priority of the call; kept as sent.
        calldirection: Inbound or outbound.
        maxrecordsilence: Seconds of silence after which recording ends.
        maxrecordtime: Longest recording in seconds.
        agentinitiated: The agent asked for the recording.
        ctiinitiated: The CTI integration started the call.
        archiveaction: Number of the archive action; -1 is unset.

        At least one of: DEVICEID; STATIONNAME; DEVICEALIAS; SYS_USER; CRM_USER. Otherwise API_DEVICE_INVALID.
        DEVICEID wins over STATIONNAME, DEVICEALIAS, SYS_USER and CRM_USER, in this order.
        With a DEVICEID the other identifiers are data of the call; an unknown DEVICEID makes a new device.
        A missing CALLINSTANCE is the blank instance. A second CALLSTART of a device and instance ends the first.
        API_OK means that the call was offered, not that it is recorded: the verdict of the call says that.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_DEVICE_INVALID.
        """
        return self.send("CALLSTART", {
            "DEVICEID": deviceid, "STATIONNAME": stationname, "DEVICEALIAS": devicealias, "SYS_USER": sys_user,
            "CRM_USER": crm_user, "CALLINSTANCE": callinstance, "GROUP": group, "GATE": gate, "ANI": ani, "DNIS": dnis,
            "USER1": user1, "USER2": user2, "USER3": user3, "USER4": user4, "USER5": user5, "USER6": user6,
            "USER7": user7, "USER8": user8, "USER9": user9, "USER10": user10, "USER11": user11, "USER12": user12,
            "USER13": user13, "USER14": user14, "USER15": user15, "CALLID": callid, "PRIORITY": priority,
            "CALLDIRECTION": calldirection, "MAXRECORDSILENCE": maxrecordsilence, "MAXRECORDTIME": maxrecordtime,
            "AGENTINITIATED": agentinitiated, "CTIINITIATED": ctiinitiated, "ARCHIVEACTION": archiveaction,
        }, check=check, timeout_s=timeout_s)

    def callstop(
        self, *, deviceid: Text | None = None, stationname: Text | None = None, devicealias: Text | None = None,
        sys_user: Text | None = None, crm_user: Text | None = None, callinstance: Text | None = None,
        check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Says that a device has ended a call, and ends its recording.

        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        devicealias: The agent's number on the device (free seating).
        sys_user: The agent's user name in the operating system.
        crm_user: The agent's user name in the CRM.
        callinstance: Tells the simultaneous calls of one device apart.

        At least one of: DEVICEID; STATIONNAME; DEVICEALIAS; SYS_USER; CRM_USER. Otherwise API_DEVICE_INVALID.
        A missing CALLINSTANCE is that of the last call on the device.
        A device that is in no call is no error: the answer is API_OK.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_DEVICE_INVALID.
        """
        return self.send("CALLSTOP", {
            "DEVICEID": deviceid, "STATIONNAME": stationname, "DEVICEALIAS": devicealias, "SYS_USER": sys_user,
            "CRM_USER": crm_user, "CALLINSTANCE": callinstance,
        }, check=check, timeout_s=timeout_s)

    def callupdate(
        self, *, recordid: Text | None = None, deviceid: Text | None = None, stationname: Text | None = None,
        devicealias: Text | None = None, sys_user: Text | None = None, crm_user: Text | None = None,
        callinstance: Text | None = None, group: Text | None = None, gate: Text | None = None, ani: Text | None = None,
        dnis: Text | None = None, user1: Text | None = None, user2: Text | None = None, user3: Text | None = None,
        user4: Text | None = None, user5: Text | None = None, user6: Text | None = None, user7: Text | None = None,
        user8: Text | None = None, user9: Text | None = None, user10: Text | None = None, user11: Text | None = None,
        user12: Text | None = None, user13: Text | None = None, user14: Text | None = None, user15: Text | None = None,
        calldirection: Direction | None = None, callid: Text | None = None, archiveaction: Whole | None = None,
        keepdays: Whole | None = None, update_if_not_recording: Flag | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Updates a call in progress; with RECORDID, a finished recording.

        recordid: Number of a finished recording to be updated.
        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        devicealias: The agent's number on the device (free seating).
        sys_user: The agent's user name in the operating system.
        crm_user: The agent's user name in the CRM.
        callinstance: Tells the simultaneous calls of one device apart.
        group: ACD group (hunt, skill or labour group).
        gate: ACD gate (queue or application).
        ani: The caller's number.
        dnis: The number that was called.
        user1 to user15: Free fields.
        calldirection: Inbound or outbound.
        callid: The phone system's identifier of the call.
        archiveaction: Number of the archive action; -1 is unset.
        keepdays: Days to keep the recording; -1 is unset.
        update_if_not_recording: With Y, a device that is in no call has its last recording updated.

        At least one of: DEVICEID; STATIONNAME; DEVICEALIAS; SYS_USER; CRM_USER (when RECORDID is absent or blank).
            Otherwise API_DEVICE_INVALID.
        RECORDID decides between the two forms: without it a device must be named, with it none is needed.
        An absent element leaves its field alone; an empty one empties USER1 to USER15, GROUP, GATE, ANI and DNIS.
        A missing CALLINSTANCE is that of the last call on the device. Schedules are not run again.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_DEVICE_INVALID,
            API_RECORDID_INVALID, API_DATABASE_QUERY_ERROR.
        """
        return self.send("CALLUPDATE", {
            "RECORDID": recordid, "DEVICEID": deviceid, "STATIONNAME": stationname, "DEVICEALIAS": devicealias,
            "SYS_USER": sys_user, "CRM_USER": crm_user, "CALLINSTANCE": callinstance, "GROUP": group, "GATE": gate,
            "ANI": ani, "DNIS": dnis, "USER1": user1, "USER2": user2, "USER3": user3, "USER4": user4, "USER5": user5,
            "USER6": user6, "USER7": user7, "USER8": user8, "USER9": user9, "USER10": user10, "USER11": user11,
            "USER12": user12, "USER13": user13, "USER14": user14, "USER15": user15, "CALLDIRECTION": calldirection,
            "CALLID": callid, "ARCHIVEACTION": archiveaction, "KEEPDAYS": keepdays,
            "UPDATE_IF_NOT_RECORDING": update_if_not_recording,
        }, check=check, timeout_s=timeout_s)

    def recordstart(
        self, *, deviceid: Text | None = None, stationname: Text | None = None, devicealias: Text | None = None,
        sys_user: Text | None = None, crm_user: Text | None = None, callinstance: Text | None = None,
        group: Text | None = None, gate: Text | None = None, ani: Text | None = None, dnis: Text | None = None,
        user1: Text | None = None, user2: Text | None = None, user3: Text | None = None, user4: Text | None = None,
        user5: Text | None = None, user6: Text | None = None, user7: Text | None = None, user8: Text | None = None,
        user9: Text | None = None, user10: Text | None = None, user11: Text | None = None, user12: Text | None = None,
        user13: Text | None = None, user14: Text | None = None, user15: Text | None = None, callid: Text | None = None,
        priority: Text | None = None, calldirection: Direction | None = None, maxrecordsilence: Whole | None = None,
        maxrecordtime: Whole | None = None, agentinitiated: Flag | None = None, ctiinitiated: Flag | None = None,
        archiveaction: Whole | None = None, check: bool = True, timeout_s: float | None = None,
    ) -> Answer:
        """Starts an additional, partial recording of a call.

        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        devicealias: The agent's number on the device (free seating).
        sys_user: The agent's user name in the operating system.
        crm_user: The agent's user name in the CRM.
        callinstance: Tells the simultaneous calls of one device apart.
        group: ACD group (hunt, skill or labour group).
        gate: ACD gate (queue or application).
        ani: The caller's number.
        dnis: The number that was called.
        user1 to user15: Free fields.
        callid: The phone system's identifier of the call.
        priority: Priority of the call; kept as sent.
        calldirection: Inbound or outbound.
        maxrecordsilence: Seconds of silence after which recording ends.
        maxrecordtime: Longest recording in seconds.
        agentinitiated: The agent asked for the recording.
        ctiinitiated: The CTI integration started the call.
        archiveaction: Number of the archive action; -1 is unset.

        At least one of: DEVICEID; STATIONNAME; DEVICEALIAS; SYS_USER; CRM_USER. Otherwise API_DEVICE_INVALID.
        A partial recording is a recording of its own with its own RECORDID.
        A device that is in no call is recorded all the same.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_DEVICE_INVALID.
        """
        return self.send("RECORDSTART", {
            "DEVICEID": deviceid, "STATIONNAME": stationname, "DEVICEALIAS": devicealias, "SYS_USER": sys_user,
            "CRM_USER": crm_user, "CALLINSTANCE": callinstance, "GROUP": group, "GATE": gate, "ANI": ani, "DNIS": dnis,
            "USER1": user1, "USER2": user2, "USER3": user3, "USER4": user4, "USER5": user5, "USER6": user6,
            "USER7": user7, "USER8": user8, "USER9": user9, "USER10": user10, "USER11": user11, "USER12": user12,
            "USER13": user13, "USER14": user14, "USER15": user15, "CALLID": callid, "PRIORITY": priority,
            "CALLDIRECTION": calldirection, "MAXRECORDSILENCE": maxrecordsilence, "MAXRECORDTIME": maxrecordtime,
            "AGENTINITIATED": agentinitiated, "CTIINITIATED": ctiinitiated, "ARCHIVEACTION": archiveaction,
        }, check=check, timeout_s=timeout_s)

    def recordstop(
        self, *, deviceid: Text | None = None, stationname: Text | None = None, devicealias: Text | None = None,
        sys_user: Text | None = None, crm_user: Text | None = None, callinstance: Text | None = None,
        user1: Text | None = None, user2: Text | None = None, user3: Text | None = None, user4: Text | None = None,
        user5: Text | None = None, user6: Text | None = None, user7: Text | None = None, user8: Text | None = None,
        user9: Text | None = None, user10: Text | None = None, user11: Text | None = None, user12: Text | None = None,
        user13: Text | None = None, user14: Text | None = None, user15: Text | None = None, check: bool = True,
        timeout_s: float | None = None,
    ) -> Answer:
        """Ends the partial recording that RECORDSTART began; the call goes on.

        deviceid: Number of the phone or voice port, usually the extension.
        stationname: Computer that is mapped to a device.
        devicealias: The agent's number on the device (free seating).
        sys_user: The agent's user name in the operating system.
        crm_user: The agent's user name in the CRM.
        callinstance: Tells the simultaneous calls of one device apart.
        user1 to user15: Free fields.

        At least one of: DEVICEID; STATIONNAME; DEVICEALIAS; SYS_USER; CRM_USER. Otherwise API_DEVICE_INVALID.
        USER1 to USER15 are stored with the partial recording.
        Nothing to stop is no error: the answer is API_OK.
        Answers: API_OK, API_PARTIAL_CORE_RESPONSE, API_ERROR_RECORDER_NOT_RUNNING, API_DEVICE_INVALID.
        """
        return self.send("RECORDSTOP", {
            "DEVICEID": deviceid, "STATIONNAME": stationname, "DEVICEALIAS": devicealias, "SYS_USER": sys_user,
            "CRM_USER": crm_user, "CALLINSTANCE": callinstance, "USER1": user1, "USER2": user2, "USER3": user3,
            "USER4": user4, "USER5": user5, "USER6": user6, "USER7": user7, "USER8": user8, "USER9": user9,
            "USER10": user10, "USER11": user11, "USER12": user12, "USER13": user13, "USER14": user14, "USER15": user15,
        }, check=check, timeout_s=timeout_s)
