"""Verdicts: every ended call gets exactly one, from what ended it and what was heard."""

import pytest

from earshot.core.verdicts import REASONS, Verdict, verdict_of
from earshot.engine.inputs import LegFacts
from earshot.engine.model import Attachment, Call, Gap

LEG = LegFacts(leg=1, port=20000)


def call(ended_by: str, *announced: str, sound: bool = True, **more: object) -> Call:
    attachments = [Attachment(facts=LEG, from_us=0, until_us=1)] if sound else []
    made = Call(key="1", device_id="555", instance="", started_us=0, ended_by=ended_by, attachments=attachments)
    made.announced_by = list(announced)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("ended", "packets", "verdict"),
    [
        (call("bye", "siprec"), 100, Verdict("recorded", "bye")),
        (call("callstop", "api", "siprec"), 100, Verdict("recorded", "callstop")),
        (call("bye", "siprec"), 0, Verdict("failed", "no_sound")),
        (call("callstop", "api", sound=False), 0, Verdict("failed", "no_session")),
        (call("too_long", "api", sound=False), 0, Verdict("failed", "no_session")),
        (call("no_free_channel", "siprec", sound=False), 0, Verdict("failed", "no_free_channel")),
        (call("out_of_disk_space", "api", sound=False, stopped_us=0), 0, Verdict("failed", "out_of_disk_space")),
        (call("out_of_disk_space", "api", sound=False, stopped_us=9), 0, Verdict("failed", "no_session")),
        (call("bye", leniencies={"bye_without_tag": 1}), 5, Verdict("recorded", "bye", ("short", "lenient"))),
        (
            call("not_resumed", gaps=[Gap(from_us=0, until_us=1, why="restart")]),
            5,
            Verdict("recorded", "not_resumed", ("short", "interrupted")),
        ),
    ],
)
def test_verdicts(ended: Call, packets: int, verdict: Verdict) -> None:
    assert verdict_of(ended, packets, ("short",) if verdict.warnings else ()) == verdict
    assert verdict.reason in REASONS
