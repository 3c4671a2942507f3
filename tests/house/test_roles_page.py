"""docs/roles.md in step with the catalogue of permissions and with what each command needs."""

import re
from pathlib import Path

import pytest

from earshot.api.permissions import CATALOGUE, NEEDED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "roles.md"


def permission_table() -> str:
    lines = ["| permission | in the portal | section | what it allows |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.portal} | {one.section} | {one.sentence} |" for one in CATALOGUE]
    return "\n".join(lines)


def command_table() -> str:
    by_permission: dict[str, list[str]] = {}
    for command, permission in NEEDED.items():
        by_permission.setdefault(f"`{permission}`" if permission else "a login", []).append(command)
    lines = ["| needed | for |", "|---|---|"]
    lines += [f"| {permission} | {', '.join(commands)} |" for permission, commands in by_permission.items()]
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "table"), [("permissions", permission_table()), ("commands", command_table())])
def test_the_tables_are_generated(name: str, table: str) -> None:
    found = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found.group(1) == table
