"""Where the commands hand in mail: who it may come from and go to, and the post office behind it.

What a command makes of it stands in `mailing`. The one rule: an address leaves here checked and allowed, or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from earshot.api.delivery import Delivery
from earshot.post.addresses import AddressNotValid, addresses_in, checked_address, domain_of, is_in


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPolicy:
    """Who mail comes from and whom it may go to.

    `sender` is our own address. A caller may write as anybody in `from_domains` (empty: in the domain of `sender`);
    what an address outside becomes says `outside`. `to_domains` empty means everywhere. `combined_format` is that of a
    COMBINEDEMAIL which names none.
    """

    sender: str
    sender_name: str = "Earshot"
    from_domains: tuple[str, ...] = ()
    outside: Literal["reply_to", "refuse"] = "reply_to"
    to_domains: tuple[str, ...] = ()
    combined_format: str = "MP3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """From, its name, and Reply-To where answers go elsewhere."""

    address: str
    name: str
    reply_to: str = ""


@dataclass(slots=True, kw_only=True)
class MailDesk:
    """Where the commands hand in mail. `token` gives a fresh unguessable word for each Message-ID."""

    delivery: Delivery
    policy: MailPolicy
    token: Callable[[], str]

    def receivers(self, text: str) -> tuple[str, ...]:
        """The addresses in `text`. Raises AddressNotValid, also for one that mail may not go to."""
        found = addresses_in(text)
        for address in found:
            if self.policy.to_domains and not is_in(address, self.policy.to_domains):
                raise AddressNotValid(f"Mail may not go to {address}")
        return found

    def sender(self, address: str = "", name: str = "") -> Sender:
        """Ourselves, or the sender that a caller chose, as far as the policy lets it. Raises AddressNotValid."""
        policy = self.policy
        if not address:
            return Sender(address=policy.sender, name=policy.sender_name)
        given = checked_address(address)
        if is_in(given, policy.from_domains or (domain_of(policy.sender),)):
            return Sender(address=given, name=name)
        if policy.outside == "refuse":
            raise AddressNotValid(f"Mail may not come from {given}")
        return Sender(address=policy.sender, name=name, reply_to=given)
