"""What a talk may bring about around a server in this process before it asks: real recordings, desktops and mail, and
what goes wrong: a database that is away, a core that is, a disk that is full.

The one rule: a condition is a row of `CONDITIONS`, and what it does, happens to the parts a server really has.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.post.mail_server import MailServer
from tests.post.mailable import mail_recording
from tests.servers import Speaker, in_process

from earshot.api.context import Context
from earshot.api.cores import Cores
from earshot.engine.blackout_values import BlackoutInput
from earshot.engine.inputs import Input
from earshot.engine.model import State
from earshot.ports import ChannelView, CoreAway, CoreLink


class AwayCore:
    """A further core, which knows what `like` knows and cannot be reached."""

    def __init__(self, ident: int, like: CoreLink) -> None:
        self.ident = ident
        self.like = like

    @property
    def state(self) -> State:
        return self.like.state

    def tell(self, told: Input) -> None:
        raise CoreAway("this core is away")

    async def black_out(self, told: BlackoutInput) -> None:
        raise CoreAway("this core is away")

    def refuses_new_calls(self) -> str:
        return ""

    def now(self) -> float:
        return self.like.now()

    def leg_figures(self, leg: int) -> tuple[int, float]:
        return 0, 0.0

    def channels(self) -> list[ChannelView]:
        return []


class Stage:
    """Where a talk takes place: a server inside the running loop that can be started anew with other settings."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self._undo = AsyncExitStack()
        self.server = Speaker(data_dir)
        self.mail_server: MailServer | None = None

    async def __aenter__(self) -> Self:
        self.server = await self._undo.enter_async_context(in_process(self.data_dir, **self.settings))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    async def restart(self, **settings: Any) -> None:
        """Stop, and start on the same folder with `settings` instead of the old ones."""
        await self._undo.aclose()
        self.settings = settings
        await self.__aenter__()

    @property
    def context(self) -> Context:
        assert self.server.inside is not None
        return self.server.inside.context


async def _recording(stage: Stage, which: str) -> None:
    await stage.server.make_recording(which)


async def _mail(stage: Stage, which: str) -> None:
    stage.mail_server = await mail_recording(stage.server, int(which))


async def _mail_refuses(stage: Stage, answer: str) -> None:
    """With that answer to each mail, such as `554 No`."""
    assert stage.mail_server is not None
    stage.mail_server.says_data = answer


async def _desktop(stage: Stage, which: str) -> None:
    stage.server.add_desktop(which)


async def _core(stage: Stage, which: str) -> None:
    """`2 away` adds a core that is; `none` leaves only one that is; `back` undoes both."""
    first = stage.context.cores.links[0]
    real = first.like if isinstance(first, AwayCore) else first
    links: dict[str, tuple[CoreLink, ...]] = {
        "2 away": (real, AwayCore(2, real)),
        "none": (AwayCore(1, real),),
        "back": (real,),
    }
    stage.context.cores = Cores(links[which])


async def _database(stage: Stage, which: str) -> None:
    """`away`: the file is not there any more; `back`: it is again."""
    here = stage.data_dir / "earshot.db"
    there = here.with_suffix(".away")
    source, target = (here, there) if which == "away" else (there, here)
    source.rename(target)


async def _media(stage: Stage, which: str) -> None:
    """`gone`: the sound of every recording is removed behind the server's back."""
    for path in [path for path in (stage.data_dir / "recordings").rglob("*") if path.is_file()]:
        path.unlink()


async def _restart(stage: Stage, which: str) -> None:
    """With other settings, NAME=VALUE each."""
    await stage.restart(**dict(word.split("=", 1) for word in which.split()))


CONDITIONS: Mapping[str, Callable[[Stage, str], Awaitable[None]]] = MappingProxyType(
    {
        "recording": _recording,
        "mail": _mail,
        "mail-refuses": _mail_refuses,
        "desktop": _desktop,
        "core": _core,
        "database": _database,
        "media": _media,
        "restart": _restart,
    }
)


async def bring_about(stage: Stage, condition: str) -> None:
    """Make one condition true, such as `recording 555`. Raises KeyError for one that is not known."""
    what, _, which = condition.partition(" ")
    await CONDITIONS[what](stage, which)
