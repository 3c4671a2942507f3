"""Screen sessions: CHATSTART, CHATUPDATE, CHATSTOP (specification, Recording Control Functions).

They only tell the cores: whether there is a desktop to capture is found out there, and a start or stop never fails
because of the state it meets.
"""

from collections.abc import Awaitable

from earshot.api.context import Context, log
from earshot.api.people import PHONE_KEYS, find_agent, find_key
from earshot.api.sight import shows_agent, shows_chat
from earshot.api.variables import USER_TAGS, changes_in
from earshot.engine.chat_values import AgentFacts, Chat, StartChat, StopChat, UpdateChat
from earshot.engine.chats import open_chat
from earshot.engine.directory import Agent
from earshot.errors import StoreUnavailable
from earshot.protocol.decode import Request
from earshot.protocol.results import AGENT_NOT_FOUND, Result, failed, sent_to_cores


def chat_start(context: Context, request: Request) -> Result | Awaitable[Result]:
    """Start a session for the agent that is named; one that runs already goes on."""
    agent = _agent(context, request)
    if agent is None and not context.directory.agents:
        return _start_after_reading(context, request)
    return _start(context, request, agent)


async def _start_after_reading(context: Context, request: Request) -> Result:
    """Nobody is known at all: the directory may not have been read yet."""
    try:
        await context.refresh_directory()
    except StoreUnavailable as error:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(error))
    return _start(context, request, _agent(context, request))


def _agent(context: Context, request: Request) -> Agent | None:
    """By AGENTID where it is given, else by KEYNAME and KEYVALUE; nobody that the actor is not shown."""
    name, value = request.get("KEYNAME"), request.get("KEYVALUE")
    if request.get("AGENTID"):
        name, value = "AGENTID", request.get("AGENTID")
    agent = find_agent(context.directory, name, value)
    return agent if agent is not None and shows_agent(context, request.actor.sees, agent) else None


def _start(context: Context, request: Request, agent: Agent | None) -> Result:
    if agent is None:
        name = "AGENTID" if request.get("AGENTID") else request.get("KEYNAME")
        value = request.get("AGENTID") or request.get("KEYVALUE")
        return failed(request, AGENT_NOT_FOUND, f"Could not find an agent with {name} {value}")
    session_id = request.get("SESSIONID")
    running = [chat for link in context.cores.links if (chat := open_chat(link.state, session_id)) is not None]
    if any(chat.agent.agent_id != agent.user_id for chat in running):
        log.warning("screen_session_of_another_agent_runs_on", session=session_id, agent=agent.user_id)
    refusals = [link.refuses_new_calls() for link in context.cores.links]
    refusal = refusals[0].removeprefix("API_ERROR_").lower() if refusals and all(refusals) else ""
    is_phone = not request.get("AGENTID") and find_key(request.get("KEYNAME")) in PHONE_KEYS
    changes = {"device_alias": request.get("KEYVALUE")} if is_phone else {}
    changes |= _device_of(context, agent)
    told = StartChat(session_id=session_id, agent=facts_of(context, agent), changes=changes, refusal=refusal)
    sent = context.cores.send(told)
    if refusal and sent.reached and not running:
        return failed(request, f"API_ERROR_{refusal.upper()}", "No recording can begin now")
    return sent_to_cores(request, sent.reached, sent.missed)


def _device_of(context: Context, agent: Agent) -> dict[str, str]:
    """The device that one of the agent's phones is logged in at now, where there is one."""
    found = (link.state.device_of_alias.get(phone) for link in context.cores.links for phone in agent.phones)
    device_id = next((one for one in found if one), "")
    return {"device_id": device_id} if device_id else {}


def facts_of(context: Context, agent: Agent) -> AgentFacts:
    """By what the agent's desktop is found: the Windows name, and the computers at the phones the agent has or is on
    now (reference.md 8)."""
    devices = dict.fromkeys(agent.phones)
    for link in context.cores.links:
        for phone in agent.phones:
            device = link.state.device_of_alias.get(phone)
            if device is not None:
                devices[device] = None
    stations: dict[str, None] = {}
    for device_id in reversed(devices):
        for link in context.cores.links:
            known = link.state.devices.get(device_id)
            if known is not None and known.station:
                stations[known.station] = None
        mapped = context.directory.station_of_device.get(device_id, "")
        if mapped:
            stations[mapped] = None
    return AgentFacts(
        agent_id=agent.user_id, sys_user=agent.sys_user, sys_domain=agent.sys_domain, stations=tuple(stations)
    )


def chat_update(context: Context, request: Request) -> Result:
    """Set call variables of a session. What is not running cannot be updated: the log says so, the answer is API_OK."""
    _warn_if_unknown(context, request)
    if not _is_shown(context, request):
        return _like_unknown(context, request)
    changes = changes_in(request, leave_out=("SESSIONID",))
    sent = context.cores.send(UpdateChat(session_id=request.get("SESSIONID"), changes=changes))
    return sent_to_cores(request, sent.reached, sent.missed)


def chat_stop(context: Context, request: Request) -> Result:
    """End a session. An unknown one is no error (reference.md 14.3)."""
    _warn_if_unknown(context, request)
    if not _is_shown(context, request):
        return _like_unknown(context, request)
    sent = context.cores.send(StopChat(session_id=request.get("SESSIONID")))
    return sent_to_cores(request, sent.reached, sent.missed)


def _is_shown(context: Context, request: Request) -> bool:
    """Whether the actor sees every session of that name."""
    sees, session_id = request.actor.sees, request.get("SESSIONID")
    running = (open_chat(link.state, session_id) for link in context.cores.links)
    return sees.everything or all(shows_chat(context, sees, chat) for chat in running if chat is not None)


def _like_unknown(context: Context, request: Request) -> Result:
    return sent_to_cores(request, tuple(link.ident for link in context.cores.links), ())


def _warn_if_unknown(context: Context, request: Request) -> None:
    session_id = request.get("SESSIONID")
    if all(open_chat(link.state, session_id) is None for link in context.cores.links):
        log.warning("screen_session_unknown", command=request.command.name, session=session_id)


def chat_fields(context: Context, chat: Chat, core: int) -> list[tuple[str, str]]:
    """What an event says of a session."""
    agent = context.directory.agents.get(chat.agent.agent_id)
    known = chat.variables
    return [
        ("SESSIONID", chat.session_id),
        ("AGENTID", str(chat.agent.agent_id)),
        ("DEVICEALIAS", known.device_alias),
        ("SYS_USER", agent.sys_user if agent else chat.agent.sys_user),
        ("CRM_USER", agent.crm_user if agent else ""),
        ("COMPUTERNAME", chat.computer),
        ("CALLID", known.call_id),
        ("GROUP", known.group),
        ("GATE", known.gate),
        ("ANI", known.ani),
        ("DNIS", known.dnis),
        *zip(USER_TAGS, known.users, strict=True),
        ("CALLDIRECTION", known.direction),
        ("COREIDENT", str(core)),
    ]
