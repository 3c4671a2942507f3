"""Where master keys come from, what a data folder remembers of them, and errors that never show one."""

import base64
from pathlib import Path
from typing import Any

import pytest

from earshot.errors import ConfigurationError
from earshot.vault.files import create
from earshot.vault.keyring import Keyring, fingerprint
from earshot.vault.master import from_command, from_file, keyring_from, parsed, write_new
from earshot.vault.register import check_keys, enter, register, registered

KEY = bytes(range(32))
OTHER = bytes(range(32, 64))


def a_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper() + "\n", base64.b64encode(KEY).decode() + "\n"])
def test_hex_and_base64_are_read(tmp_path: Path, text: str) -> None:
    assert parsed(text, "here") == from_file(a_file(tmp_path / "key", text)) == KEY


@pytest.mark.parametrize(
    "text", ["", "secret", KEY.hex()[:-1], base64.b64encode(KEY[:-1]).decode(), "0" * 64, "z" * 64]
)
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="32 random bytes") as wrong:
        parsed(text, "the place")
    assert not text or text not in str(wrong.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        from_file(a_file(tmp_path / "key", KEY.hex(), 0o644))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        from_file(tmp_path / "none")


def test_a_command_prints_it(tmp_path: Path) -> None:
    assert from_command(f"echo {KEY.hex()}") == KEY
    for command in ("false", "no-such-program-anywhere", "echo hello", "'"):
        with pytest.raises(ConfigurationError, match="master_key_command"):
            from_command(command)


def test_a_new_key_is_its_owners_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = write_new(path)
    assert Keyring((from_file(path),)) == made
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_new(path)
    assert Keyring((from_file(path),)) == made


def test_the_keyring_of_settings(tmp_path: Path) -> None:
    file, old = a_file(tmp_path / "key", KEY.hex()), a_file(tmp_path / "old", OTHER.hex())
    nothing: dict[str, Any] = {"file": None, "variable": "", "command": "", "old": [], "environment": {}}
    assert keyring_from(**nothing) is None
    said: list[dict[str, Any]] = [
        {"file": file},
        {"variable": "K", "environment": {"K": KEY.hex()}},
        {"command": f"cat {file}"},
    ]
    for one in said:
        assert keyring_from(**{**nothing, **one, "old": [old, file]}) == Keyring((KEY, OTHER))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"file": file, "variable": "K"}, "one of"),
        ({"variable": "K"}, "variable K is not set"),
        ({"old": [old]}, "no current one"),
    ]
    for one, match in wrong:
        with pytest.raises(ConfigurationError, match=match):
            keyring_from(**{**nothing, **one})


def test_the_register_says_which_keys_are_needed(tmp_path: Path) -> None:
    place = tmp_path / "keys" / "master-keys"
    first, second = Keyring((KEY,)), Keyring((OTHER,))
    check_keys(place, None, tmp_path)
    enter(place, first)
    enter(place, first)
    assert registered(place) == [first.current]
    with pytest.raises(ConfigurationError, match=f"no master key is set.*{first.current}"):
        check_keys(place, None, tmp_path)
    with pytest.raises(ConfigurationError, match=first.current):
        check_keys(place, second, tmp_path)
    both = Keyring((OTHER, KEY))
    check_keys(place, both, tmp_path)
    enter(place, both)
    assert registered(place) == [first.current, second.current]
    enter(place, first)
    assert registered(place) == [second.current, first.current], "the last one is in use"
    register(place, [second.current])
    check_keys(place, second, tmp_path)
    place.write_text("nonsense\n")
    with pytest.raises(ConfigurationError, match="no register"):
        registered(place)


def test_without_a_register_the_objects_tell(tmp_path: Path) -> None:
    media = tmp_path / "media" / "day"
    media.mkdir(parents=True)
    (media / "plain.wav").write_bytes(b"RIFF")
    (media / "broken.wav").write_bytes(b"EARSHOTE")
    check_keys(tmp_path / "none", None, tmp_path / "media")
    with create(media / "sealed.wav", Keyring((KEY,))) as file:
        file.write(b"sound")
    with pytest.raises(ConfigurationError, match=fingerprint(KEY)):
        check_keys(tmp_path / "none", None, tmp_path / "media")
