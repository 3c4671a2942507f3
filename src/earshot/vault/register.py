"""Which master keys a data folder needs: a small file of fingerprints, one a line, the last the one in use.

A key is entered before anything is encrypted by it, and struck out when nothing is any more. So a server that starts
without the key knows it at once, and does not begin to write plain where it wrote encrypted. The one rule: the register
decides nothing but that; what is encrypted says itself by which key.
"""

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from earshot.errors import ConfigurationError
from earshot.vault.keyring import Keyring, wrapped_by
from earshot.vault.overwriting import header_of

REGISTER = "master-keys"
HEADLINE = "# Fingerprints of the master keys that are needed to read this data folder. Not secret. Do not edit.\n"
LOOKED_AT = 1000
"""Objects that are looked at where there is no register."""
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


def registered(path: Path) -> list[str]:
    """The fingerprints in a register; none where there is no file. Raises ConfigurationError."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigurationError(f"{path} cannot be read: {why}") from None
    found = [line for line in lines if line and not line.startswith("#")]
    if not all(map(_FINGERPRINT.fullmatch, found)):
        raise ConfigurationError(f"{path} is no register of master keys")
    return found


def register(path: Path, fingerprints: Sequence[str]) -> None:
    """From now on these are the keys that are needed; durable when it returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with fresh.open("w") as file:
        file.write(HEADLINE + "".join(f"{one}\n" for one in dict.fromkeys(fingerprints)))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_keys(path: Path, keyring: Keyring | None, objects: Path) -> None:
    """Raise ConfigurationError unless `keyring` has every key that the register at `path` names. Without a register and
    without a keyring some of the files under `objects` are looked at instead."""
    needed: Collection[str] = registered(path)
    if not needed and keyring is None:
        needed = _found(objects)
    missing = [one for one in needed if keyring is None or one not in keyring.fingerprints]
    if not missing:
        return
    named = ", ".join(missing)
    if keyring is None:
        raise ConfigurationError(
            f"this data folder is encrypted and no master key is set: set master_key_file, master_key_env or "
            f"master_key_command to where the master key {named} is had"
        )
    raise ConfigurationError(
        f"this data folder needs the master key {named}, and only {', '.join(keyring.fingerprints)} is set: give the "
        f"right one as master_key_file, or, after a change of keys, add the file of the old one to master_keys_old "
        f"until `earshot key rotate` is through"
    )


def enter(path: Path, keyring: Keyring) -> None:
    """Have the current key last in the register, before anything is encrypted by it. Raises ConfigurationError,
    OSError."""
    known = registered(path)
    if known[-1:] != [keyring.current]:
        register(path, [*(one for one in known if one != keyring.current), keyring.current])


def _found(objects: Path) -> list[str]:
    """The fingerprints of keys that the first encrypted files under `objects` need."""
    looked_at, found = 0, dict[str, None]()
    for folder, folders, names in os.walk(objects):
        folders.sort(reverse=True)
        for name in names:
            looked_at += 1
            try:
                header = header_of(Path(folder) / name)
                if header is not None and not header.is_destroyed:
                    found[wrapped_by(next(slot for slot in header.slots if any(slot)))] = None
            except OSError:
                continue
        if looked_at >= LOOKED_AT:
            break
    return list(found)
