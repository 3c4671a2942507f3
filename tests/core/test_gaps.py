"""Gaps that were found in the sound give way to those whose reason is known."""

import pytest

from earshot.core.seal_gaps import explained

KNOWN = [(10.0, 16.0, "restart")]


@pytest.mark.parametrize(
    ("gap", "is_explained"),
    [
        ((10.1, 15.9, "hold"), True),
        ((9.0, 17.0, "loss"), True),
        ((2.0, 8.0, "hold"), False),
        ((15.0, 25.0, "hold"), False),
    ],
)
def test_what_a_restart_explains_is_no_other_gap(gap: tuple[float, float, str], is_explained: bool) -> None:
    assert explained(gap, KNOWN) is is_explained
