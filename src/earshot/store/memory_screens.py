"""Screen sessions in memory: for tests, and until the database is hung in.

Same contract as `sql.screens` (tests/contracts). The one rule: nothing is awaited between looking and changing.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

from earshot.actor import Visibility
from earshot.errors import StoreUnavailable
from earshot.ports import User
from earshot.ports.screens import ScreenRow, ScreenSession, Whose


class MemoryScreens:
    """The port `earshot.ports.screens.Screens` without a database; `user` knows the agents. `unavailable` makes every
    method fail."""

    def __init__(self, user: Callable[[int], User | None] = lambda number: None) -> None:
        self.unavailable = False
        self._user = user
        self._kept: dict[int, ScreenSession] = {}
        self._gone: dict[str, int] = {}

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the screen sessions in memory were told to be away")

    def _row(self, number: int) -> ScreenRow:
        session = self._kept[number]
        agent = self._user(session.agent_id) or User()
        return ScreenRow(
            number=number,
            session=session,
            agent_first_name=agent.first_name,
            agent_last_name=agent.last_name,
            agent_username=agent.username,
        )

    async def save_screen(self, session: ScreenSession) -> int:
        """See `Screens.save_screen`."""
        self._answer()
        for number, known in self._kept.items():
            if known.key == session.key:
                return number
        if session.key in self._gone:
            return self._gone[session.key]
        number = len(self._kept) + len(self._gone) + 1
        self._kept[number] = session
        return number

    async def screens(
        self,
        limit: int,
        before: tuple[float, int] | None = None,
        session_id: str = "",
        device_id: str = "",
        seen_by: Visibility | None = None,
    ) -> Sequence[ScreenRow]:
        """See `Screens.screens`."""
        self._answer()
        places = sorted(((one.started_at, number) for number, one in self._kept.items()), reverse=True)
        rows = [self._row(place[1]) for place in places if before is None or place < before]
        wanted = [
            row
            for row in rows
            if session_id in ("", row.session.session_id)
            and device_id in ("", row.session.variables.device_id)
            and (seen_by is None or _shown(row.session, seen_by))
        ]
        return wanted[: max(limit, 0)]

    async def screens_of(self, whose: Whose, since: float, until: float) -> Sequence[ScreenRow]:
        """See `Screens.screens_of`."""
        self._answer()
        rows = [self._row(number) for number, one in self._kept.items() if one.started_at < until]
        return [
            row
            for row in rows
            if (one := row.session).stopped_at > since
            and whose.show(one.session_id, one.agent_id, one.variables, one.computer)
        ]

    async def renew_screen(
        self, number: int, files: Mapping[int, tuple[str, int]], black_spans: tuple[tuple[float, float], ...]
    ) -> bool:
        """See `Screens.renew_screen`."""
        self._answer()
        session = self._kept.get(number)
        if session is None:
            return False
        segments = [
            replace(one, sha256=files[one.number][0], size=files[one.number][1]) if one.number in files else one
            for one in session.segments
        ]
        self._kept[number] = replace(session, segments=tuple(segments), black_spans=black_spans)
        return True

    async def screen(self, number: int) -> ScreenRow | None:
        """See `Screens.screen`."""
        self._answer()
        return self._row(number) if number in self._kept else None

    async def all_screen_objects(self) -> AsyncIterator[tuple[str, str, int]]:
        """See `Screens.all_screen_objects`."""
        self._answer()
        for session in list(self._kept.values()):
            for segment in session.segments:
                yield segment.object_name, segment.sha256, segment.size


def _shown(session: ScreenSession, sees: Visibility) -> bool:
    said = session.variables
    return sees.shows(
        agent_id=session.agent_id,
        device_id=said.device_id,
        device_alias=said.device_alias,
        group=said.group,
        gate=said.gate,
    )
