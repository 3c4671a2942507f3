"""Encryption at rest: the master keys, the data keys they wrap, and files that are encrypted with a data key.

`keyring` wraps and unwraps data keys, `sealed_file` is the format of an encrypted file, `files` opens plain and
encrypted files alike, `master` reads master keys from where the settings say. Nothing here knows recordings, storages
or the journal. The one rule: a key is never logged, shown or written unless it is wrapped.
"""

from earshot.vault.errors import Altered, KeyDestroyed, KeyMissing, VaultError, WrongKey

__all__ = ["Altered", "KeyDestroyed", "KeyMissing", "VaultError", "WrongKey"]
