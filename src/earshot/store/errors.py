"""The errors of the store that the port does not know, each under one that everybody knows.

The one rule: whoever handles `StoreUnavailable` and `ConfigurationError` has handled these as well.
"""

from earshot.errors import ConfigurationError, StoreUnavailable


class DatabaseDamaged(StoreUnavailable):
    """The file is there and is no sound database of ours. Waiting will not help; somebody has to look."""


class SchemaTooNew(ConfigurationError):
    """The database was brought up to date by a newer Earshot than this one."""
