"""Docs in step with tables: settings, verdict reasons, and links."""

import re
from pathlib import Path

import pytest

from earshot.config import Settings
from earshot.core.verdicts import REASONS

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def settings_page() -> str:
    """docs/settings.md as the model of the settings says it must be."""
    lines = [
        "# Settings",
        "",
        "Each is a key of the TOML file and a variable `EARSHOT_<KEY>`; folder, host and ports are also options.",
        "Options weigh more than variables, variables more than the file. Unknown keys are refused.",
        "A list in a variable has commas between: `EARSHOT_ALLOW=10.0.0.0/8,192.168.7.0/24`.",
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = f"`{default}`" if str(default) else "empty"
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def test_settings_page_is_generated() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_explained(reason: str) -> None:
    assert f"`{reason}`" in (ROOT / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
