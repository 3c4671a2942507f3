"""Whose turn it is: every place is drained once per period, in the order of places, as time passes.

Pure: no sockets, time is passed in. The one rule: places that are added at the end delay nobody. So what goes around
evenly is not a number of places but the part of the period, as the hand of a clock does.
"""


class Round:
    """The round through the places 0 to N - 1, where N may grow at any time. Times are seconds."""

    def __init__(self, period_s: float, now: float) -> None:
        self._period_s = period_s
        self._began_at = now
        self._hand = 0.0
        self._places = 0
        self._lap, self._cursor = 0, 0

    def due(self, now: float, places: int) -> list[tuple[int, int]]:
        """The stretches (first place, end) that are due by now of so many places: none, one, or two around the end;
        together no place twice. What of them was drained is told with `drained`, in their order."""
        self._hand, self._places = (now - self._began_at) / self._period_s, places
        lap = int(self._hand)
        upto, cursor = int((self._hand - lap) * places), self._cursor
        if lap > self._lap + 1:
            self._lap, upto = lap - 1, cursor
        stretches = [(cursor, upto)] if lap == self._lap else [(cursor, places), (0, min(upto, cursor))]
        return [(first, end) for first, end in stretches if first < end]

    def drained(self, upto: int) -> None:
        """The places before `upto`, up to where the round was, had their turn."""
        self._cursor = upto
        if upto == self._places:
            self._lap, self._cursor = self._lap + 1, 0

    @property
    def behind(self) -> float:
        """What part of a period the round is late, by the last time somebody asked; 0 where nobody is there."""
        return self._hand - self._lap - self._cursor / self._places if self._places else 0.0
