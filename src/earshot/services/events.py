"""What tells the hub of events beside the calls: stored recordings and channels; and events for web clients.

The one rule: nothing here is done when nobody listens but to note that something happened.
"""

from contextlib import AsyncExitStack
from functools import partial

from starlette.routing import Route

from earshot.api.happenings import channel_fields, saved_fields
from earshot.api.permissions import LIVE_MONITORING, SYSTEM_STATUS
from earshot.core.channels import Channel
from earshot.ports import FinishedCall
from earshot.services import House
from earshot.web.events import EventStreams
from earshot.web.permitted import needs


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    hub, context, core = house.events, house.context, house.recorder.ident

    def stored(finished: FinishedCall, record_ids: tuple[int, ...]) -> None:
        for sealed, record_id in zip(finished.recordings, record_ids, strict=True):
            hub.tell("RECORDINGSAVED", partial(saved_fields, context, sealed, record_id, finished.warnings))

    def changed(channel: Channel) -> None:
        device = (channel.device_id, channel.device_alias)
        made = partial(channel_fields, context, channel.number, channel.state, device, core)
        hub.tell("CHANNELSTATE", made, channel.changed_us)

    house.sealing.on_stored.append(stored)
    house.recorder.busy.on_change.append(changed)
    streams = EventStreams(hub, house.clock, house.spawner)
    house.routes.append(Route("/api/v1/events", needs(streams.answer, SYSTEM_STATUS, LIVE_MONITORING), methods=["GET"]))
