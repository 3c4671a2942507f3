"""The plan of a simulation: which call begins when, at which device, about what, and on which network.

What lives here: a pure generator of planned calls. What does not: placing them (`earshot.simulate.command`). The one
rule: the same wishes give the same plan; call n of it does not depend on what became of the calls before.
"""

import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from earshot.simulate.impairment import Impairment
from earshot.simulate.offer import SHAPES, SPLIT
from earshot.simulate.speech import Conversation

DEVICE_REST_S = 1.0
HOLD_SHORTEST_S = 12.0
LEVELS = ("Gold", "Silver", "Standard")
QUEUES = (("Sales", "80"), ("Support", "81"), ("Billing", "82"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What to simulate.

    `calls` in all (None: without end), at most `concurrent` at once, begun at `rate` per second, each between
    `shortest_s` and `longest_s`. Probabilities `loss`, `reorder`, `duplicate`, `jitter` and `hold` are 0 to 1.
    Devices are `first_device` and the `devices` numbers from there; each has one call at a time, and its own agent,
    whose conversation is always the same.
    """

    calls: int | None = 10
    concurrent: int = 2
    rate: float = 1.0
    shortest_s: float = 10.0
    longest_s: float = 30.0
    codecs: tuple[str, ...] = ("PCMU",)
    shape: str = SPLIT
    first_device: int = 1001
    devices: int = 5
    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    jitter: float = 0.0
    hold: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        checks = {
            "concurrent must be at least 1": self.concurrent >= 1,
            "there must be at least as many devices as concurrent calls": self.devices >= self.concurrent,
            "the rate must be above 0": self.rate > 0,
            "the length range must be above 0 and not reversed": 0 < self.shortest_s <= self.longest_s,
            "at least one codec is needed": bool(self.codecs),
            f"the shape is one of {', '.join(SHAPES)}": self.shape in SHAPES,
        }
        wrong = [text for text, fine in checks.items() if not fine]
        if wrong:
            raise ValueError("; ".join(wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call: times in seconds from the start of the plan; `hold` is (begin, end) from the start of the call.

    `caller` and `dialled` are ANI and DNIS. `crm_first` says whether the CRM announces it before the phone system.
    """

    number: int
    start_s: float
    length_s: float
    device: str
    caller: str
    dialled: str
    inbound: bool
    conversation: str
    topic: str
    agent_name: str
    customer_name: str
    codec: str
    shape: str
    impairments: tuple[Impairment, Impairment]
    hold: tuple[float, float] | None
    crm_first: bool
    group: str
    gate: str
    level: str
    case_number: str


def planned_calls(wishes: Wishes, talks: Sequence[Conversation]) -> Iterator[PlannedCall]:
    """The calls in the order of their start."""
    free_devices = deque(range(wishes.first_device, wishes.first_device + wishes.devices))
    resting: list[tuple[float, int]] = []
    running: list[float] = []
    clock = 0.0
    number = 0
    while wishes.calls is None or number < wishes.calls:
        start = max(clock, number / wishes.rate)
        while running and running[0] <= start:
            heapq.heappop(running)
        if len(running) >= wishes.concurrent:
            start = heapq.heappop(running)
        while resting and resting[0][0] <= start:
            free_devices.append(heapq.heappop(resting)[1])
        if not free_devices:
            start, device = heapq.heappop(resting)
        else:
            device = free_devices.popleft()
        call = _call(wishes, talks, number, start, device)
        heapq.heappush(running, start + call.length_s)
        heapq.heappush(resting, (start + call.length_s + DEVICE_REST_S, device))
        yield call
        clock = start
        number += 1


def _call(wishes: Wishes, talks: Sequence[Conversation], number: int, start: float, device: int) -> PlannedCall:
    rng = random.Random(f"{wishes.seed}/{number}")
    length = round(rng.uniform(wishes.shortest_s, wishes.longest_s), 2)
    inbound = rng.random() < 0.75
    caller, service = f"+1202555{rng.randint(100, 199):04d}", f"+1800555{rng.randint(100, 199):04d}"
    group, gate = rng.choice(QUEUES)
    talk = talks[(device - wishes.first_device) % len(talks)]
    held = rng.random() < wishes.hold and length >= HOLD_SHORTEST_S
    first, second = (
        Impairment(
            loss=wishes.loss,
            duplicate=wishes.duplicate,
            reorder=wishes.reorder,
            jitter=wishes.jitter,
            seed=rng.getrandbits(63),
        )
        for _ in range(2)
    )
    return PlannedCall(
        number=number,
        start_s=round(start, 3),
        length_s=length,
        device=str(device),
        caller=caller if inbound else str(device),
        dialled=service if inbound else caller,
        inbound=inbound,
        conversation=talk.name,
        topic=talk.topic,
        agent_name=talk.agent_name,
        customer_name=talk.customer_name,
        codec=wishes.codecs[rng.randrange(len(wishes.codecs))],
        shape=wishes.shape,
        impairments=(first, second),
        hold=(round(length / 3, 2), round(length / 2, 2)) if held else None,
        crm_first=rng.random() < 0.5,
        group=group,
        gate=gate,
        level=rng.choice(LEVELS),
        case_number=f"C-{rng.randint(10_000, 99_999)}",
    )
