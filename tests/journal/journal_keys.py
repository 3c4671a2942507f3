"""The master keys of the journal's tests. What is tested of a plain journal holds for an encrypted one."""

from earshot.vault.keyring import Keyring

Wrap = Keyring | None

RING = Keyring((bytes(range(32)),))
NEXT_RING = Keyring((bytes(range(1, 33)), *RING.keys))
"""The same after the master key was changed."""
OTHER_RING = Keyring((bytes(32),))
