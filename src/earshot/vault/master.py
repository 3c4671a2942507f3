"""Where master keys come from: a file, an environment variable, the output of a command. 32 bytes, in hex or base64.

Which of them is a setting's to say. The one rule: an error names the place and never shows what was found there.
"""

import base64
import binascii
import os
import shlex
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from earshot.errors import ConfigurationError
from earshot.vault.keyring import KEY_BYTES, Keyring

COMMAND_S = 30.0
"""How long a command has to print the key."""
HEX_CHARS = 2 * KEY_BYTES
READABLE_BY_OTHERS = stat.S_IRWXO


def parsed(text: str, where: str) -> bytes:
    """The key that `text` says. Raises ConfigurationError."""
    said = "".join(text.split())
    try:
        key = bytes.fromhex(said) if len(said) == HEX_CHARS else base64.b64decode(said, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES or len(set(key)) == 1:
        raise ConfigurationError(f"{where} holds no master key: {KEY_BYTES} random bytes in hex or base64 are needed")
    return key


def from_file(path: Path) -> bytes:
    """The key in a file that only its owner, or its group, can read. Raises ConfigurationError."""
    try:
        with path.open() as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1024)
    except (OSError, UnicodeDecodeError) as why:
        raise ConfigurationError(f"the master key file {path} cannot be read: {why}") from None
    if stat.S_ISREG(mode) and mode & READABLE_BY_OTHERS:
        raise ConfigurationError(f"the master key file {path} can be used by everybody: chmod 600 {path}")
    return parsed(text, str(path))


def from_command(command: str) -> bytes:
    """The key that a command prints, which is run without a shell. Raises ConfigurationError."""
    try:
        done = subprocess.run(
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as why:
        raise ConfigurationError(f"master_key_command cannot be run: {type(why).__name__}") from None
    if done.returncode:
        raise ConfigurationError(f"master_key_command ended with status {done.returncode}")
    return parsed(done.stdout.decode("ascii", "replace"), "what master_key_command prints")


def keyring_from(
    *, file: Path | None, variable: str, command: str, old: Sequence[Path], environment: Mapping[str, str]
) -> Keyring | None:
    """The keyring that settings describe, of which at most one of `file`, `variable` and `command` is set; None where
    none is. Raises ConfigurationError."""
    if sum(map(bool, (file, variable, command))) > 1:
        raise ConfigurationError("set one of master_key_file, master_key_env and master_key_command, not several")
    if file is not None:
        current = from_file(file)
    elif variable:
        if variable not in environment:
            raise ConfigurationError(f"master_key_env: the variable {variable} is not set")
        current = parsed(environment[variable], f"the variable {variable}")
    elif command:
        current = from_command(command)
    elif old:
        raise ConfigurationError("master_keys_old names old keys, and no current one is set: set master_key_file")
    else:
        return None
    keys = dict.fromkeys([current, *(from_file(path) for path in old)])
    return Keyring(tuple(keys))


def write_new(path: Path) -> Keyring:
    """A new random master key in a new file, readable by its owner only, durable. Raises FileExistsError, OSError."""
    key = os.urandom(KEY_BYTES)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, key.hex().encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Keyring((key,))
