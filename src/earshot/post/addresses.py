"""Addresses and names of people in mail: read, checked, brought to one form.

The one rule: what could end a header line, or turn the order of its letters round, is refused and never repaired.
"""

import unicodedata
from collections.abc import Iterable

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from earshot.errors import BadInput

NAME_LIMIT = 128
"""Longest name of a sender or receiver, in characters."""
MOST_ADDRESSES = 20
"""How many receivers one command may name."""
FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp", "Co", "Cn"})
"""Unicode categories: control characters (CR, LF, NUL, NEL), lone surrogates, line and paragraph separators, letters
that nobody defined."""
FORBIDDEN_LETTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
"""Controls of writing direction, which make a name read as something else, and the byte order mark."""
IN_HOUSE_DOMAINS = ("local", "test")
"""Reserved names that networks use within their own walls; the library refuses them unless they are taken off its list,
which is its documented way."""
SPECIAL_USE_DOMAIN_NAMES[:] = [name for name in SPECIAL_USE_DOMAIN_NAMES if name not in IN_HOUSE_DOMAINS]


class AddressNotValid(BadInput):
    """An address is no address, or not one that mail may go to or come from. The message names it."""


def checked_text(text: str, what: str, limit: int = NAME_LIMIT) -> str:
    """`text` stripped, fit for a header. Raises BadInput, which calls it `what`.

    An encoded word is refused because the standard library decodes it inside a name and then writes out the line ends
    that were encoded in it.
    """
    stripped = text.strip(" \t")
    if len(stripped) > limit:
        raise BadInput(f"{what} is longer than {limit} characters")
    if "=?" in stripped:
        raise BadInput(f"{what} holds =?, which begins an encoded word (RFC 2047) and has no place in it")
    for letter in stripped:
        if letter in FORBIDDEN_LETTERS or unicodedata.category(letter) in FORBIDDEN_CATEGORIES:
            raise BadInput(f"{what} holds the character U+{ord(letter):04X}, which has no place in mail")
    return stripped


def checked_address(text: str) -> str:
    """The address in its one form: the domain in small letters and, unless the part before the @ needs more than ASCII
    (SMTPUTF8, RFC 6531), in ASCII as a whole. Nothing is looked up. Raises AddressNotValid."""
    try:
        stripped = checked_text(text, "The address", 320)
        found = validate_email(stripped, check_deliverability=False, strict=True)
    except (EmailNotValidError, BadInput) as wrong:
        shown = text.encode("ascii", "backslashreplace").decode()[:80]
        shown = "".join(letter if letter.isprintable() else "?" for letter in shown)
        raise AddressNotValid(f"{shown!r} is not an e-mail address: {wrong}") from None
    return found.ascii_email or found.normalized


def addresses_in(text: str) -> tuple[str, ...]:
    """The addresses of a list that is separated by commas or semicolons, each once, in order.

    Raises AddressNotValid for any that is none, for none at all, and for more than `MOST_ADDRESSES`.
    """
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    found = dict.fromkeys(checked_address(part) for part in parts if part)
    if not found:
        raise AddressNotValid("No e-mail address is given")
    if len(found) > MOST_ADDRESSES:
        raise AddressNotValid(f"More than {MOST_ADDRESSES} addresses are given")
    return tuple(found)


def domain_of(address: str) -> str:
    """What stands behind the @ of a checked address, in small letters."""
    return address.rpartition("@")[2].lower()


def is_in(address: str, domains: Iterable[str]) -> bool:
    """Whether a checked address is in one of `domains` or, for those written `*.domain`, below it."""
    domain = domain_of(address)
    return any(
        domain.endswith(one[1:]) if one.startswith("*.") else domain == one for one in (d.lower() for d in domains)
    )
