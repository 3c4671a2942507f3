"""Imports point down only: each room of the package stands on a floor and may import its own floor's room or lower."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "earshot"

FLOORS = {
    "__main__": 8,
    "cli": 7,
    "app": 7,
    "operations": 7,
    "premises": 7,
    "figures": 7,
    "services": 7,
    "serving": 7,
    "certificate": 7,
    "doors": 7,
    "config": 7,
    "simulate": 6,
    "client": 6,
    "listeners": 6,
    "web": 6,
    "api": 5,
    "core": 5,
    "store": 4,
    "storage": 4,
    "post": 4,
    "capture": 4,
    "hooks": 4,
    "ports": 3,
    "journal": 2,
    "ledger": 2,
    "engine": 2,
    "media": 2,
    "protocol": 1,
    "telephony": 1,
    "vault": 1,
    "clock": 0,
    "errors": 0,
    "tasks": 0,
    "actor": 0,
    "__init__": 0,
}
# Rooms on one floor do not know each other; these pairs are the composition root itself.
SAME_FLOOR_ALLOWED = {
    ("cli", "serving"),
    ("serving", "app"),
    ("serving", "config"),
    ("serving", "premises"),
    ("cli", "config"),
    ("cli", "operations"),
    ("cli", "premises"),
    ("app", "config"),
    ("app", "premises"),
    ("app", "figures"),
    ("premises", "config"),
    ("operations", "premises"),
    ("operations", "config"),
    ("app", "services"),
    ("app", "doors"),
    ("doors", "services"),
    ("doors", "certificate"),
    ("certificate", "config"),
    ("doors", "premises"),
    ("doors", "config"),
    ("services", "config"),
    ("services", "premises"),
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            from_root = node.module == "earshot"
            names = [f"earshot.{alias.name}" for alias in node.names] if from_root else [node.module or ""]
        else:
            continue
        for name in names:
            if name.startswith("earshot."):
                yield node.lineno, name.split(".")[1]


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")}
    assert rooms <= FLOORS.keys(), f"rooms without a floor: {rooms - FLOORS.keys()}"


def test_imports_point_down() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        here = room_of(path)
        for line, there in imported_rooms(path):
            if there.startswith("__") or here == there:
                continue
            up = FLOORS[there] > FLOORS[here]
            sideways = FLOORS[there] == FLOORS[here] > 0 and (here, there) not in SAME_FLOOR_ALLOWED
            if up or sideways:
                wrong.append(f"{path.relative_to(PACKAGE)}:{line} ({here}) imports {there}")
    assert not wrong, "\n".join(wrong)
