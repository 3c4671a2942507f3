"""What tests of the store share."""

import pytest

from earshot.store.migrate import upgrade


@pytest.fixture(autouse=True)
def really_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here each new database is migrated step by step, as a server does it."""
    monkeypatch.setattr("earshot.store.sqlite.upgrade", upgrade)
