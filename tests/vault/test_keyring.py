"""Master keys: what they wrap is unwrapped by them alone, and they never show themselves."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.vault import Altered, KeyDestroyed, VaultError, WrongKey
from earshot.vault.keyring import WRAPPED_BYTES, Keyring, wrapped_by

FIRST, SECOND = b"1" * 32, b"2" * 32


def test_a_wrapped_key_comes_back() -> None:
    keyring = Keyring((FIRST,))
    key, wrapped = keyring.fresh()
    assert len(key) == 32
    assert len(wrapped) == WRAPPED_BYTES <= 96
    assert keyring.unwrap(wrapped) == keyring.unwrap(wrapped.ljust(512, b"\0")) == key
    assert keyring.fresh() != (key, wrapped)
    assert wrapped_by(wrapped) == keyring.current


def test_old_keys_unwrap_and_the_current_one_wraps() -> None:
    key, wrapped = Keyring((FIRST,)).fresh()
    after = Keyring((SECOND, FIRST))
    assert after.unwrap(wrapped) == key
    assert not after.is_current(wrapped)
    again = after.wrap(key)
    assert after.is_current(again)
    assert Keyring((SECOND,)).unwrap(again) == key
    with pytest.raises(WrongKey, match=Keyring((FIRST,)).current):
        Keyring((SECOND,)).unwrap(wrapped)


@given(st.integers(0, WRAPPED_BYTES - 1), st.integers(1, 255))
def test_every_altered_byte_of_a_wrapped_key_is_found(at: int, by: int) -> None:
    keyring = Keyring((FIRST,))
    wrapped = bytearray(keyring.fresh()[1])
    wrapped[at] ^= by
    with pytest.raises(VaultError):
        keyring.unwrap(bytes(wrapped))


def test_what_is_no_wrapped_key() -> None:
    keyring = Keyring((FIRST,))
    with pytest.raises(KeyDestroyed):
        keyring.unwrap(bytes(96))
    with pytest.raises(Altered):
        keyring.unwrap(b"EKW1")
    with pytest.raises(Altered):
        keyring.unwrap(keyring.fresh()[1] + b"\1")


def test_it_crosses_into_other_processes_and_shows_no_key() -> None:
    keyring = Keyring((FIRST, SECOND))
    assert pickle.loads(pickle.dumps(keyring)) == keyring
    assert repr(keyring) == f"Keyring({keyring.current}, {Keyring((SECOND,)).current})"
    wrong = pickle.loads(pickle.dumps(WrongKey.needed("ab", "cd")))
    assert (wrong.fingerprint, str(wrong)) == ("ab", str(WrongKey.needed("ab", "cd")))


@pytest.mark.parametrize("keys", [(), (b"short",), (FIRST, b"")])
def test_keys_have_32_bytes(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="32"):
        Keyring(keys)
