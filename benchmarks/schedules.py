"""Decisions a second with many active schedules, beside a loop that looks at each of them. One core, no sockets.

python -m benchmarks.schedules --schedules 1000 --seconds 5
"""

import argparse
import random
import time
from collections.abc import Callable
from datetime import UTC
from typing import Any

from earshot.engine.criteria import Facts
from earshot.engine.schedule_values import Criterion, Decision, Quota, Schedule
from earshot.engine.schedules import compile_schedules
from earshot.engine.variables import CallVariables

GOAL = 20_000


def schedules(count: int, rng: random.Random) -> list[Schedule]:
    """What a large site has: most for a device, an agent, a group or a campaign, some for everything or by number."""
    made = [Schedule(number=1, name="Everything, 5 %", percent=5.0, priority=-1)]
    for number in range(2, count + 1):
        kind = rng.choices(("device", "agent", "group", "user1", "dnis", "ani"), (30, 25, 20, 10, 10, 5))[0]
        criteria = {
            "device": (Criterion(field="device", values=(str(1000 + number),)),),
            "agent": (Criterion(field="agent", test="one_of", values=(f"agent{number}", f"agent{number + 1}")),),
            "group": (
                Criterion(field="group", values=(f"Group {rng.randrange(60)}",)),
                Criterion(field="direction", values=(rng.choice("IO"),)),
            ),
            "user1": (Criterion(field="user1", test="begins_with", values=(f"C{number:04}",)),),
            "dnis": (
                Criterion(field="dnis", values=(f"+1800555{number:04}",)),
                Criterion(field="user2", test="pattern", values=("*gold*",)),
            ),
            "ani": (Criterion(field="ani", test="begins_with", values=(f"+1{rng.randrange(200, 999)}",)),),
        }[kind]
        made.append(
            Schedule(
                number=number,
                name=f"Schedule {number}",
                priority=rng.randrange(10),
                criteria=criteria,
                percent=rng.choice((100.0, 100.0, 50.0, 10.0)),
                from_time=rng.choice(("", "", "08:00")),
                until_time="20:00",
            )
        )
    return made


def calls(count: int, rng: random.Random) -> list[Facts]:
    """Calls of two thousand devices over a day."""
    return [
        Facts(
            variables=CallVariables(
                device_id=str(rng.randrange(1000, 3000)),
                group=f"Group {rng.randrange(100)}",
                ani=f"+1{rng.randrange(200, 999)}5550100",
                dnis=f"+1800555{rng.randrange(3000):04}",
                direction=rng.choice("IO"),
                users=(f"C{rng.randrange(3000):04}-7", rng.choice(("gold", "silver")), *("",) * 13),
            ),
            at=1_795_300_000 + rng.random() * 86_400,
            agent=(f"agent{rng.randrange(3000)}", "1"),
            groups=("Sales",),
        )
        for _ in range(count)
    ]


def rate(decide: Callable[..., Decision], known: list[Facts], seconds: float) -> tuple[float, float]:
    """(decisions a second of processor time, schedules that matched on average); quotas are kept as the core does."""
    quotas: dict[str, Quota] = {}
    done = matched = 0
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for facts in known[done % len(known) :][:500]:
            decision = decide(facts, quotas, 50.0)
            quotas.update(decision.quotas)
            matched += len(decision.matched)
            done += 1
    return done / spent, matched / done


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options: Any = parser.parse_args()
    rng = random.Random(1)
    decider = compile_schedules(schedules(options.schedules, rng), core=1, zone=UTC)
    known = calls(20_000, rng)
    for facts in known[:500]:
        assert decider.decide(facts, {}, 50.0) == decider.decide_slowly(facts, {}, 50.0)
    fast, matched = rate(decider.decide, known, options.seconds)
    slow, _ = rate(decider.decide_slowly, known, options.seconds)
    print(f"{options.schedules} active schedules, {matched:.1f} match a call")
    print(f"by index          {fast:12,.0f} decisions/s of one core (goal {GOAL:,})")
    print(f"looking at each   {slow:12,.0f} decisions/s; the index is {fast / slow:.0f} times as fast")
    if fast < GOAL:
        raise SystemExit("the goal was not reached")


if __name__ == "__main__":
    main()
