"""The try-it page: pick a command, fill a form made from the table, see the XML, the URL and the answer.

The form is built in the browser from `/tryit/commands.json`; what is sent is the XML that the page shows. The one rule:
a command that is tried is as real as any other, and is carried out as the person who tries it, with that person's
permissions.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from earshot.actor import Actor
from earshot.api.permissions import API_TOKENS, NEEDED, SYSTEM_CONFIGURATION
from earshot.clock import Clock
from earshot.ports import Storage
from earshot.protocol.command import Command, Requirement
from earshot.protocol.commands import FAMILIES
from earshot.protocol.parameters import KIND_WORDS, Parameter
from earshot.protocol.reference import FAMILY_TITLES, rule_in_words
from earshot.protocol.results import Result
from earshot.web.console import Console
from earshot.web.permitted import actor_of, page
from earshot.web.webapi import ApiDoor, WebApi

PERMISSIONS: Final = (API_TOKENS, SYSTEM_CONFIGURATION)
"""Whoever makes programs, or runs the system; each command needs its own permission besides."""
VALUES: Final = {"flag": ("Y", "N"), "direction": ("I", "O")}


class TryIt:
    """GET of /tryit and /tryit/commands.json, POST of /tryit/send; `api_port` and `wants_token` are for snippets."""

    def __init__(
        self,
        api: ApiDoor,
        storage: Storage,
        written: Callable[[Result], bytes],
        clock: Clock,
        api_port: int,
        wants_token: bool,
    ) -> None:
        self._door = WebApi(api, storage, None, written)
        self._clock = clock
        self._api_port = api_port
        self._wants_token = wants_token

    def routes(self) -> list[BaseRoute]:
        """What stands behind the gate; it lets a POST in only from our own pages."""
        return [
            Route("/tryit", page(self.show, *PERMISSIONS), methods=["GET"]),
            Route("/tryit/commands.json", page(self.commands, *PERMISSIONS), methods=["GET"]),
            Route("/tryit/send", page(self.send, *PERMISSIONS), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The page."""
        console: Console = request.app.state.console
        return console.page(request, "tryit.html")

    async def commands(self, request: Request) -> Response:
        """The command table for the page, and which of it this person may use."""
        actor = actor_of(request)
        families = [
            {"title": FAMILY_TITLES[family], "commands": [_command(command, actor) for command in commands]}
            for family, commands in FAMILIES.items()
        ]
        return JSONResponse({"families": families, "api_port": self._api_port, "wants_token": self._wants_token})

    async def send(self, request: Request) -> Response:
        """Carry out the XML of the body; Server-Timing says how long that took here."""
        began = self._clock.monotonic()
        response = await self._door.answer(request)
        response.headers["Server-Timing"] = f"command;dur={(self._clock.monotonic() - began) * 1000:.1f}"
        return response


def _command(command: Command, actor: Actor) -> dict[str, Any]:
    needed = NEEDED.get(command.name)
    required = {
        name for rule in command.requires if not rule.when and len(rule.choices) == 1 for name in rule.choices[0]
    }
    return {
        "name": command.name,
        "sentence": command.sentence,
        "doors": list(command.doors),
        "notes": list(command.notes),
        "example": dict(command.example),
        "needs": "" if needed is None or actor.may(needed) else needed,
        "rules": [_rule(rule) for rule in command.requires],
        "parameters": [_parameter(command, parameter, parameter.name in required) for parameter in command.parameters],
    }


def _rule(rule: Requirement) -> dict[str, Any]:
    when = [{"name": each.name, "values": list(each.values), "absent": each.absent} for each in rule.when]
    return {"words": rule_in_words(rule), "choices": [list(choice) for choice in rule.choices], "when": when}


def _parameter(command: Command, parameter: Parameter, required: bool) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "meaning": parameter.meaning,
        "kind": parameter.kind,
        "kind_words": KIND_WORDS[parameter.kind] if parameter.kind not in ("choice", *VALUES) else "",
        "choices": list(parameter.choices or VALUES.get(parameter.kind, ())),
        "limit": parameter.limit,
        "required": required,
        "may_be_blank": parameter.blank_clears and "UPDATE" in command.name,
        "secret": parameter.name == "PASSWORD",
    }
