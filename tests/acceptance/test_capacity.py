"""Refuse visibly rather than gap: without a free channel or port the client hears 503 and the call gets its verdict."""

from pathlib import Path
from typing import Any

import pytest
from tests.servers import in_process


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"channels": 1}, "no_free_channel"), ({"rtp_ports": 3}, "no_free_port")],
    ids=["channels", "ports"],
)
async def test_one_call_too_many(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    async with in_process(tmp_path / "data", **settings) as server:
        both = {"calls": 2, "concurrent": 2, "rate": 10.0, "length_s": (3.0, 3.0), "crm": False}
        summary = await server.simulate(**both)
        assert (summary.placed, summary.answered, dict(summary.refused)) == (2, 1, {"503": 1})
        await server.shows(f'earshot_verdicts_total{{reason="{reason}",verdict="failed"}} 1.0')
        await server.shows('earshot_verdicts_total{reason="bye",verdict="recorded"} 1.0')
        again = await server.simulate(calls=1, concurrent=1, length_s=(1.0, 1.0), crm=False)
        assert again.answered == 1 or reason == "no_free_port", "a channel is free again as soon as its call has ended"


async def test_bound_wide_the_answer_names_the_address_the_client_reached(tmp_path: Path) -> None:
    async with in_process(tmp_path / "data", host="0.0.0.0", allow=["127.0.0.0/8"]) as server:
        summary = await server.simulate(calls=1, concurrent=1, length_s=(1.0, 1.0), crm=False)
        assert summary.answered == 1
        await server.shows('earshot_verdicts_total{reason="bye",verdict="recorded"} 1.0')
