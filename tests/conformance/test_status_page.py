"""The status of every command, counted from the cases: nothing of the table is without one, and the page says so."""

from pathlib import Path

import pytest
from tests.conformance.shown import PAGE, evidence, main, page

from earshot.protocol.commands import COMMANDS
from earshot.protocol.reference import status_page

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
SHOWN = evidence()


@pytest.mark.parametrize("name", COMMANDS)
def test_everything_the_table_says_of_a_command_is_shown(name: str) -> None:
    assert COMMANDS[name].done
    assert SHOWN[name].missing() == []


def test_what_is_not_shown_is_said_to_be_missing() -> None:
    shown = evidence()["CALLSTOP"]
    assert shown.missing() == [] and "| not |" not in status_page(SHOWN)
    nothing = type(shown)(
        spellings=dict.fromkeys(shown.spellings, ()),
        choices=dict.fromkeys(shown.choices, ()),
        lookups=dict.fromkeys(shown.lookups, ()),
        returns=[()] * len(shown.returns),
    )
    missing = nothing.missing()
    assert {"spelling CALLINSTANCE", "spelling DEVICE_ID", "lookup by CRM_USER", "return 4"} <= set(missing)
    row = f"(#callstop) | 0 of 6 | 0 of {len(shown.spellings)} | 0 of 5 | 0 of 4 | not |"
    assert row in status_page(SHOWN | {"CALLSTOP": nothing})


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    assert (REFERENCE / PAGE).read_text(encoding="utf-8") == page(), (
        "run: python -m tests.conformance.shown docs/reference"
    )
    assert main([str(tmp_path)]) == 0 and (tmp_path / PAGE).read_text(encoding="utf-8") == page()
    assert main([]) == 2
