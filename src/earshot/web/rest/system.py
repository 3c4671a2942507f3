"""The system: devices, channels, stations, locations, terminology, the machine.

The one rule: what is shown of devices and channels is what the asker may see; the rest of the machine has no owner.
"""

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request

from earshot import __version__
from earshot.actor import Actor
from earshot.api.permissions import SYSTEM_CONFIGURATION, SYSTEM_STATUS
from earshot.api.terminology import change_term, read_terms
from earshot.engine.model import Device, State
from earshot.engine.variables import CallVariables
from earshot.errors import BadInput
from earshot.ports import NotFound, NotUnique
from earshot.ports.encryption import EncryptionView
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.rest.desk import Desk, value_in, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import In, Listed, Moment, Name, Out, Text, Variables


class OpenCall(Out):
    """A call that runs on a device."""

    key: str
    call_instance: str
    started_at: Moment
    recording: bool
    file_name: str
    variables: Variables


class DeviceOut(Out):
    """A device that was ever mentioned; `last` are the variables of its latest call."""

    device_id: str
    device_alias: str
    station: str
    agent_id: int | None
    core: int
    calls: list[OpenCall]
    last: Variables | None
    last_started_at: Moment | None
    last_stopped_at: Moment | None


class ChannelOut(Out):
    """A channel and what it does."""

    number: int
    core: int
    state: str
    device_id: str
    device_alias: str
    changed_at: Moment | None


class StationOut(Out):
    """A computer that is mapped to a device."""

    station: str
    device_id: str
    location_id: int


class StationIn(In):
    """The device of a computer."""

    device_id: Name
    location_id: Annotated[int, Field(ge=1, le=999_999_999)] = 1


class LocationOut(Out):
    """A place with computers."""

    number: int
    name: str


class LocationIn(In):
    """A place; without `number` it gets the next free one."""

    name: Name
    number: Annotated[int, Field(ge=1, le=999_999_999)] | None = None


class LocationName(In):
    """Another name."""

    name: Name


class Term(Out):
    """What a field is called in this house."""

    name: str
    term: str


class TermIn(In):
    """The new term; empty for that of the preset."""

    term: Text


class EncryptionOut(Out):
    """Encryption at rest. Master keys are named by their fingerprints; `older` are still accepted.

    Objects are recordings, copies and screen videos; `counted` is false while older ones are still looked through.
    `refused` counts reads of a plain file that lay where an encrypted one was put.
    """

    on: bool
    master_key: str
    older: list[str]
    objects_current_key: int
    objects_older_keys: int
    objects_plain: int
    counted: bool
    refused: int
    troubles: list[str]


class SystemOut(Out):
    """The machine and the recorder. `refuses_new_calls` is a RESULTTYPE, empty while calls are taken."""

    version: str
    now: Moment
    recording_path: str
    disk_total_mb: int
    disk_free_mb: int
    ram_total_mb: int
    ram_free_mb: int
    uptime: str
    calls: int
    refuses_new_calls: str
    notices: list[str]
    encryption: EncryptionOut


class System:
    """/v1/devices, /v1/channels, /v1/stations, /v1/locations, /v1/terminology, /v1/system."""

    tag = "system"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/devices", SYSTEM_STATUS, summary="List devices and their calls")
    async def devices(
        self, request: Request, device_id: Annotated[Text, Query(description="Only this one.")] = ""
    ) -> Listed[DeviceOut]:
        """What DEVICELIST shows."""
        found = [
            self._device(link.state, device)
            for link in self._desk.context.cores.links
            for device in link.state.devices.values()
            if not device_id or device.device_id == device_id
        ]
        actor = who(request)
        return Listed(items=[one for one in found if self._shows(actor, one.device_id, one.device_alias, one.last)])

    @route("GET", "/v1/channels", SYSTEM_STATUS, summary="List channels")
    async def channels(self, request: Request) -> Listed[ChannelOut]:
        """A channel that works for somebody who is not shown says so without naming the device."""
        actor, rows = who(request), []
        for link in self._desk.context.cores.links:
            for channel in link.channels():
                may = self._shows(actor, channel.device_id, channel.device_alias, None)
                row = ChannelOut(
                    number=channel.number,
                    core=link.ident,
                    state=channel.state,
                    device_id=channel.device_id if may else "",
                    device_alias=channel.device_alias if may else "",
                    changed_at=self._desk.time_or_none(channel.changed_at),
                )
                rows.append(row)
        return Listed(items=rows)

    @route("GET", "/v1/stations", SYSTEM_STATUS, summary="List stations")
    async def stations(self, request: Request) -> Listed[StationOut]:
        """Computers and their devices, oldest mapping first."""
        return Listed(items=[StationOut.model_validate(one) for one in await self._desk.context.store.stations()])

    @route("PUT", "/v1/stations/{station}", SYSTEM_CONFIGURATION, summary="Map a station to a device")
    async def map_station(self, request: Request, station: Annotated[Name, Path()], body: StationIn) -> StationOut:
        """IMPORTWORKSTATION: mappings that hold either of the two go first."""
        fields = [("STATIONNAME", station), ("DEVICEID", body.device_id), ("LOCATIONID", str(body.location_id))]
        result = await self._desk.perform(who(request), "IMPORTWORKSTATION", fields)
        return StationOut(
            station=value_in(result, "STATIONNAME"),
            device_id=value_in(result, "DEVICEID"),
            location_id=body.location_id,
        )

    @route("GET", "/v1/locations", SYSTEM_STATUS, SYSTEM_CONFIGURATION, summary="List locations")
    async def locations(self, request: Request) -> Listed[LocationOut]:
        """Number 1 is there from the start."""
        found = await self._desk.context.locations.locations()
        return Listed(items=[LocationOut.model_validate(one) for one in found])

    @route("POST", "/v1/locations", SYSTEM_CONFIGURATION, summary="Add a location", status=201)
    async def add_location(self, request: Request, body: LocationIn) -> LocationOut:
        """The number or the name may be taken: 409."""
        context = self._desk.context
        try:
            async with context.audit.together():
                made = await context.locations.add_location(body.name, body.number)
                await context.audit.note(who(request), "created", f"location {made.number}", name=made.name)
        except NotUnique as taken:
            raise Problem(409, str(taken), "API_ERROR_KEYS_NOT_UNIQUE") from None
        return LocationOut.model_validate(made)

    @route("PATCH", "/v1/locations/{number:int}", SYSTEM_CONFIGURATION, summary="Rename a location")
    async def rename_location(
        self, request: Request, number: Annotated[int, Path(ge=1, le=999_999_999)], body: LocationName
    ) -> LocationOut:
        """The number stays."""
        context = self._desk.context
        try:
            async with context.audit.together():
                made = await context.locations.rename_location(number, body.name)
                await context.audit.note(who(request), "changed", f"location {number}", name=made.name)
        except NotFound:
            raise not_found(f"location {number}") from None
        except NotUnique as taken:
            raise Problem(409, str(taken), "API_ERROR_KEYS_NOT_UNIQUE") from None
        return LocationOut.model_validate(made)

    @route("GET", "/v1/terminology", summary="What fields are called in this house")
    async def terminology(self, request: Request) -> Listed[Term]:
        """The words of FETCHTERMINOLOGY."""
        return _terms(await read_terms(self._desk.context.preferences))

    @route("PUT", "/v1/terminology/{name}", SYSTEM_CONFIGURATION, summary="Change a term")
    async def change_term(self, request: Request, name: Annotated[Name, Path()], body: TermIn) -> Listed[Term]:
        """All terms as they are then."""
        actor, context = who(request), self._desk.context
        try:
            async with context.audit.together():
                terms = await change_term(context.preferences, name, body.term, actor.name)
                await context.audit.note(actor, "changed", f"term {name.casefold()}", to=body.term)
        except BadInput as wrong:
            raise Problem(400, str(wrong), INVALID_FORMAT) from None
        return _terms(terms)

    @route("GET", "/v1/system", SYSTEM_STATUS, summary="The machine and the recorder")
    async def system(self, request: Request) -> SystemOut:
        """What SYSTEMSTATUS shows, and whether new calls are taken."""
        result = await self._desk.perform(who(request), "SYSTEMSTATUS", ())
        links, live = self._desk.context.cores.links, self._desk.live.snapshot()
        return SystemOut(
            version=__version__,
            now=self._desk.time(self._desk.context.clock.now()),
            recording_path=value_in(result, "RECORDINGPATH"),
            disk_total_mb=int(value_in(result, "RECORDINGTOTALDISKCAPACITY")),
            disk_free_mb=int(value_in(result, "RECORDINGTOTALDISKFREE")),
            ram_total_mb=int(value_in(result, "SYSTEMRAMTOTAL")),
            ram_free_mb=int(value_in(result, "SYSTEMRAMFREE")),
            uptime=value_in(result, "SYSTEMUPTIME"),
            calls=sum(call.phase == "open" for link in links for call in link.state.calls.values()),
            refuses_new_calls=next((why for link in links if (why := link.refuses_new_calls())), ""),
            notices=list(live.notices),
            encryption=_encryption(await self._desk.context.encryption.look()),
        )

    def _shows(self, actor: Actor, device_id: str, alias: str, last: CallVariables | Variables | None) -> bool:
        agent = self._desk.context.directory.agent_on(device_id, alias)
        return actor.sees.shows(
            agent_id=agent.user_id if agent else None,
            device_id=device_id,
            device_alias=alias,
            group=last.group if last else "",
            gate=last.gate if last else "",
        )

    def _device(self, state: State, device: Device) -> DeviceOut:
        context, time = self._desk.context, self._desk.time_or_none
        calls = []
        for call in (state.calls[key] for key in device.calls):
            recording = call.recording_now()
            calls.append(
                OpenCall(
                    key=call.key,
                    call_instance=call.instance,
                    started_at=self._desk.time(call.started_us / 1e6),
                    recording=recording is not None,
                    file_name=recording.file_name if recording else "",
                    variables=Variables.of(call.variables),
                )
            )
        agent = context.directory.agent_on(device.device_id, device.alias)
        return DeviceOut(
            device_id=device.device_id,
            device_alias=device.alias,
            station=device.station or context.directory.station_of_device.get(device.device_id, ""),
            agent_id=agent.user_id if agent else None,
            core=state.core,
            calls=calls,
            last=Variables.of(device.last) if device.last else None,
            last_started_at=time(device.last_started_us / 1e6),
            last_stopped_at=time((device.last_stopped_us or 0) / 1e6),
        )


def _encryption(view: EncryptionView) -> EncryptionOut:
    return EncryptionOut(
        on=view.is_on,
        master_key=view.master_key,
        older=list(view.older),
        objects_current_key=view.under_current_key,
        objects_older_keys=view.under_older_keys,
        objects_plain=view.plain,
        counted=view.is_counted,
        refused=view.refused,
        troubles=list(view.troubles),
    )


def _terms(terms: dict[str, str]) -> Listed[Term]:
    return Listed(items=[Term(name=name, term=term) for name, term in terms.items()])
