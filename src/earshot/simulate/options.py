"""What a simulation can be told, and what it reports in the end.

What lives here: two frozen values. What does not: the simulation (`earshot.simulate.command`). The one rule: what
cannot be is refused here, before anything is sent.
"""

from dataclasses import dataclass, field

from earshot.simulate.codecs import CODECS
from earshot.simulate.offer import MIXED, SPLIT
from earshot.simulate.plan import Wishes
from earshot.simulate.transaction import Timers


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """What `earshot simulate` can be told.

    `calls` is how many in all (0 with `follow`: only follow), ignored if `forever`. `length_s` is the range of call
    lengths in seconds; percentages are 0 to 100. `transport` is udp or tcp. `mixed` sends one stream of both parties.
    `quiet` leaves out the line per call.
    """

    sip_host: str = "127.0.0.1"
    sip_port: int = 5060
    transport: str = "udp"
    api_host: str = "127.0.0.1"
    api_port: int = 5620
    events_host: str = "127.0.0.1"
    events_port: int = 5621
    calls: int = 10
    concurrent: int = 2
    rate: float = 1.0
    length_s: tuple[float, float] = (10.0, 30.0)
    codecs: tuple[str, ...] = ("PCMU",)
    loss_percent: float = 0.0
    reorder_percent: float = 0.0
    jitter_percent: float = 0.0
    hold_percent: float = 0.0
    first_device: int = 1001
    devices: int = 5
    mixed: bool = False
    crm: bool = True
    follow: bool = False
    forever: bool = False
    seed: int = 1
    quiet: bool = False
    timers: Timers = field(default_factory=Timers)

    def wishes(self) -> Wishes:
        """The same for the plan. Raises ValueError for what cannot be."""
        unknown = [name for name in self.codecs if name not in CODECS]
        if unknown:
            raise ValueError(f"unknown codec {unknown[0]!r}; known are {', '.join(CODECS)}")
        return Wishes(
            calls=None if self.forever else self.calls,
            concurrent=self.concurrent,
            rate=self.rate,
            shortest_s=self.length_s[0],
            longest_s=self.length_s[1],
            codecs=self.codecs,
            shape=MIXED if self.mixed else SPLIT,
            first_device=self.first_device,
            devices=max(self.devices, self.concurrent),
            loss=self.loss_percent / 100,
            reorder=self.reorder_percent / 100,
            jitter=self.jitter_percent / 100,
            hold=self.hold_percent / 100,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of a simulation. `refused` is (SIP status or a word, count); counts of packets are RTP."""

    placed: int
    answered: int
    refused: tuple[tuple[str, int], ...]
    ended_by_peer: int
    followed: int
    packets: int
    lost_on_purpose: int
    crm_requests: int
    crm_errors: int

    def text(self) -> str:
        """The summary as one line for people."""
        codes = ", ".join(f"{count} x {code}" for code, count in self.refused) or "none"
        return (
            f"calls placed {self.placed}, answered {self.answered}, refused: {codes}; packets sent {self.packets}"
            f" (left out on purpose {self.lost_on_purpose}); given to announced calls {self.followed};"
            f" CRM requests {self.crm_requests}, not API_OK {self.crm_errors}"
        )
