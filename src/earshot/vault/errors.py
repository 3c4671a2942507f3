"""What goes wrong with keys and encrypted files. Each is an OSError too: to a reader, such a file cannot be read.

The one rule: a message names keys by their fingerprint and says the way out.
"""

from earshot.errors import EarshotError


class VaultError(EarshotError, OSError):
    """A key or an encrypted file cannot be used."""


class WrongKey(VaultError):
    """None of the master keys at hand wrapped this data key. `fingerprint` names the one that did, in hex."""

    fingerprint: str = ""

    @classmethod
    def needed(cls, fingerprint: str, known: str) -> "WrongKey":
        """The error for a data key that the master key `fingerprint` wrapped, where only `known` are at hand."""
        wrong = cls(
            f"the master key {fingerprint} is needed and not at hand (at hand: {known or 'none'}): "
            f"give it as master_key_file, or add its file to master_keys_old"
        )
        wrong.fingerprint = fingerprint
        return wrong


class KeyMissing(WrongKey):
    """Something is encrypted, and no master key is set at all."""


class KeyDestroyed(VaultError):
    """The data key was overwritten: what it encrypted is gone for good."""


class Altered(VaultError):
    """A wrapped key or an encrypted file is not as it was written: altered, cut, extended, or put elsewhere."""
