"""Screen sessions in the running system: the registry of desktops, the sessions, their rows, their pages.

The one rule: sessions that the process before left are taken up before the first desktop can say hello.
"""

from contextlib import AsyncExitStack

from starlette.routing import Route

from earshot.api.chats import chat_fields
from earshot.api.context import Context
from earshot.api.permissions import PLAYBACK, SEARCH
from earshot.capture.in_process import InProcessAgent
from earshot.capture.probing import duration_of
from earshot.capture.registry import Registry
from earshot.core.chat_intake import Intake
from earshot.core.chats import ChatSettings, ScreenSessions
from earshot.engine.chat_values import Chat
from earshot.ports.capture import Desktop, Hello
from earshot.services import House
from earshot.store.sql.screens import SqlScreens
from earshot.tasks import Spawner
from earshot.web.openings import Openings
from earshot.web.permitted import page
from earshot.web.screens import ScreenPages

INTAKE = "capture"
"""The folder under the data folder where desktop agents, or whoever carries them, put segments."""
SEGMENT_S = 2.0
"""Seconds of a segment of a desktop that this process plays itself."""


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    context, settings, recorder = house.context, house.settings, house.recorder
    screens = SqlScreens(house.database)
    desktops = Registry(house.clock, settings.desktop_away_s)
    context.screens, context.desktops = screens, desktops
    desktops.on_state = lambda seen: context.publish("AGENTSTATE", agent_fields(context, seen))
    assert house.pictures is not None, "blackouts start before"
    intake = Intake(
        recorder,
        house.storage,
        house.folders.root / INTAKE,
        zone=house.zone,
        settled=house.settled,
        duration_of=lambda path: duration_of(path, house.keyring),
        keyring=house.keyring,
        darken=house.pictures.darken_arrived,
    )

    def announce(event: str, chat: Chat) -> None:
        context.publish(event, chat_fields(context, chat, recorder.ident))

    limits = ChatSettings(
        longest_s=settings.longest_chat_s,
        keep_days=settings.chat_keep_days,
        archive_action=settings.chat_archive_action,
    )
    sessions = ScreenSessions(recorder, desktops, intake, screens, limits, announce, house.pictures.busy)
    own = Spawner()
    undo.push_async_callback(own.close)
    await sessions.start(own)
    _play_desktops(house, desktops, own, undo)
    pages = ScreenPages(screens, house.storage, Openings(context.audit, house.clock))
    house.routes += [
        Route("/screens", page(pages.listed, SEARCH), methods=["GET"]),
        Route("/screens/{number:int}/{segment:int}", page(pages.segment, SEARCH, PLAYBACK), methods=["GET"]),
    ]


def agent_fields(context: Context, seen: Desktop) -> list[tuple[str, str]]:
    """What AGENTSTATE says: whose desktop it is, where that is known, and its STATUS as AGENTWINDOW shows it."""
    user = seen.username.rpartition("\\")[2]
    agent = context.directory.by_sys_user.get(seen.username.casefold()) or context.directory.by_sys_user.get(
        user.casefold()
    )
    return [
        ("AGENTID", str(agent.user_id) if agent else ""),
        ("SYS_USER", seen.username),
        ("COMPUTERNAME", seen.computer),
        ("STATE", seen.status),
    ]


def _play_desktops(house: House, desktops: Registry, spawner: Spawner, undo: AsyncExitStack) -> None:
    for name in house.settings.simulated_desktops:
        computer, _, username = name.partition("\\")
        hello = Hello(computer=computer, username=username or computer, address="127.0.0.1", version="in process")
        agent = InProcessAgent(
            desktops,
            hello,
            intake=house.folders.root / INTAKE,
            clock=house.clock,
            spawner=spawner,
            segment_s=SEGMENT_S,
            keyring=house.keyring,
        )
        agent.start()
        undo.callback(agent.stop)
