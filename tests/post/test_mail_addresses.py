"""Addresses and names: what is taken, in which form, and what could end a header line."""

import pytest

from earshot.errors import BadInput
from earshot.post.addresses import MOST_ADDRESSES, AddressNotValid, addresses_in, checked_address, checked_text, is_in

FORBIDDEN = "\r\n\0\t\v\f\x1b\x1c\x1d\x1e\x7f\x85\u2028\u2029\u202e\u202a\u2066\ud800\ufeff"


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ("jdoe@uptivity.com", "jdoe@uptivity.com"),
        (" jdoe@Uptivity.COM ", "jdoe@uptivity.com"),
        ("J.Doe+calls@uptivity.com", "J.Doe+calls@uptivity.com"),
        ("jane@exämple.org", "jane@xn--exmple-cua.org"),
        ("jürgen@exämple.org", "jürgen@exämple.org"),
        ("recorder@mail.office.local", "recorder@mail.office.local"),
    ],
)
def test_an_address_has_one_form(given: str, form: str) -> None:
    assert checked_address(given) == form
    assert checked_address(form) == form


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "jdoe",
        "@uptivity.com",
        "jdoe@",
        "jdoe@localhost",
        "jdoe@uptivity..com",
        "jdoe@uptivity.com.",
        "j doe@uptivity.com",
        "jdoe@@uptivity.com",
        "jdoe@[127.0.0.1]",
        '"j doe"@uptivity.com',
        "Jane <jdoe@uptivity.com>",
        "<jdoe@uptivity.com>",
        "jdoe@uptivity.com>\r\nRCPT TO:<thief@example.org",
        "jdoe@uptivity.com\nBcc: thief@example.org",
        "jdoe@uptivity.com SIZE=1",
        "a" * 65 + "@uptivity.com",
        "jdoe@" + "a" * 300 + ".com",
        *(f"j{letter}doe@uptivity.com" for letter in FORBIDDEN),
        *(f"jdoe@uptivity.com{letter}x" for letter in FORBIDDEN),
    ],
)
def test_what_is_no_address(wrong: str) -> None:
    with pytest.raises(AddressNotValid) as caught:
        addresses_in(wrong)
    assert str(caught.value).isprintable()


def test_lists_of_addresses() -> None:
    both = ("a@uptivity.com", "b@uptivity.com")
    for text in (
        "a@uptivity.com,b@uptivity.com",
        " a@uptivity.com ; b@uptivity.com;",
        "a@uptivity.com;,b@Uptivity.com",
    ):
        assert addresses_in(text) == both
    assert addresses_in("a@uptivity.com,a@UPTIVITY.com") == ("a@uptivity.com",)
    for wrong in (",;,", "a@uptivity.com,b", ",".join(f"a{n}@uptivity.com" for n in range(MOST_ADDRESSES + 1))):
        with pytest.raises(AddressNotValid):
            addresses_in(wrong)


@pytest.mark.parametrize("name", ["Jane Doe", 'O\'Neill, "Jim" <x>', "Jürgen Groß", "山田 太郎", "👩‍👩‍👧", ""])
def test_names_of_all_scripts(name: str) -> None:
    assert checked_text(name, "TONAME") == name


@pytest.mark.parametrize("letter", [letter for letter in FORBIDDEN if letter != "\t"])
def test_what_has_no_place_in_a_name(letter: str) -> None:
    with pytest.raises(BadInput, match="TONAME"):
        checked_text(f"Jane{letter}Bcc: thief@example.org", "TONAME")


@pytest.mark.parametrize("name", ["=?utf-8?q?=0D=0ABcc:_x@example.org?=", "a =?us-ascii?b?DQo=?="])
def test_encoded_words_are_no_names(name: str) -> None:
    with pytest.raises(BadInput, match="encoded word"):
        checked_text(name, "TONAME")


def test_a_name_has_a_length() -> None:
    assert checked_text("x" * 128, "TONAME") == "x" * 128
    with pytest.raises(BadInput, match="128"):
        checked_text("x" * 129, "TONAME")


def test_domains() -> None:
    assert is_in("a@Example.org", ["EXAMPLE.ORG"])
    assert not is_in("a@sub.example.org", ["example.org"])
    assert is_in("a@sub.example.org", ["*.example.org"])
    assert not is_in("a@example.org", ["*.example.org"])
    assert not is_in("a@evilexample.org", ["*.example.org", "example.org"])
    assert not is_in("a@example.org", [])
