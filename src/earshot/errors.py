"""The errors that cross rooms. An error that only one room raises and catches lives in that room.

Every error carries a sentence for people; `label` is set where the protocol has a name for it.
"""


class EarshotError(Exception):
    """Base of everything that Earshot raises on purpose."""


class ConfigurationError(EarshotError):
    """A setting is wrong. The message names the setting and the way out."""


class BadInput(EarshotError):
    """Something from outside does not follow its own rules: bytes on a socket, a document, a file."""


class OutOfDiskSpace(EarshotError):
    """The disk reserve is reached: no new recording may begin."""


class StoreUnavailable(EarshotError):
    """The database cannot be reached or is locked. Recording goes on; rows arrive later."""
