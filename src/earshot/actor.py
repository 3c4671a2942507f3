"""Who acts: a person, a program with a token, a client of the XML protocol, or Earshot itself.

Every act on recordings, users, roles and settings carries one `Actor`: what it may do is asked of it, and the audit
trail names it. The one rule: permissions add up and nothing takes one away, so an actor is complete when it is made.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["person", "token", "protocol", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Whose recordings may be seen: everybody's, or those that match any of the others.

    `agents` are USERIDs; `phones` are device numbers and aliases (QA groups are made of them); `groups` are ACD groups
    (GROUP) and `gates` ACD queues (GATE). Nothing in any of them means: no recording at all.
    """

    everything: bool = False
    agents: frozenset[int] = frozenset()
    phones: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    gates: frozenset[str] = frozenset()

    def shows(self, *, agent_id: int | None, device_id: str, device_alias: str, group: str, gate: str) -> bool:
        """Whether a recording of that agent, device, alias, ACD group and gate may be seen; blank values show none."""
        return (
            self.everything
            or (agent_id is not None and agent_id in self.agents)
            or (device_id != "" and device_id in self.phones)
            or (device_alias != "" and device_alias in self.phones)
            or (group != "" and group in self.groups)
            or (gate != "" and gate in self.gates)
        )


EVERYTHING = Visibility(everything=True)
NOTHING = Visibility()


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts. `permissions` None means all of them; `address` is the peer's, empty for Earshot itself."""

    kind: Kind
    name: str
    user_id: int = 0
    address: str = ""
    permissions: frozenset[str] | None = frozenset()
    sees: Visibility = NOTHING

    def may(self, permission: str) -> bool:
        """Whether the actor has that permission (a name of the catalogue, upper case)."""
        return self.permissions is None or permission in self.permissions


PROTOCOL = Actor(kind="protocol", name="xml", permissions=None, sees=EVERYTHING)
"""A client of the XML protocol: it has no login, the allow-list of networks guards it, and it may do everything."""

SYSTEM = Actor(kind="system", name="earshot", permissions=None, sees=EVERYTHING)
"""Earshot itself: retention, recovery, the command line."""
