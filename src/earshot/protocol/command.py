"""What a command is: a frozen row of data that the decoder, the reference, the clients and the fuzzer all read.

What does not live here: the 36 rows (`commands/`) and what a command does (handlers, elsewhere).
The one rule: a row that contradicts itself (a requirement on a parameter it does not take, a label without a
number, a spelling that means two things) raises at import, so that the tables cannot be wrong silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from earshot.protocol.parameters import ID_LIMIT, Parameter
from earshot.protocol.results import AGENT_NOT_FOUND, CODES, DEVICE_INVALID, INVALID_FORMAT, STANDARD, Node, Shape

Door = Literal["tcp", "http"]
Family = Literal["calls", "status", "control", "imports", "exports", "people"]
BOTH_DOORS: tuple[Door, ...] = ("tcp", "http")
HTTP_ONLY: tuple[Door, ...] = ("http",)

NO_DEVICE = "Could not find a device matching given parameters"
"""What is said when a device is not named or not known (specification, RECORDSTART and, misspelt, CALLSTART)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """A condition on a request: parameter `name` is not blank and, unless `values` is empty, is one of `values`.

    `absent` turns it round: the parameter is missing or blank.
    """

    name: str
    values: tuple[str, ...] = ()
    absent: bool = False

    def holds(self, params: Mapping[str, str]) -> bool:
        """Whether the condition is met by decoded parameters."""
        value = params.get(self.name, "")
        if self.absent:
            return not value
        return bool(value) and (not self.values or value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing a request must name, in one of several ways.

    Each choice is a tuple of parameters that must all be there. The first choice that is met is the one that counts.
    With `only_one` the specification allows just one choice; several are taken with a warning, the first counts.
    `label` and `message` are the answer when no choice is met. Every condition in `when` must hold for the rule.
    """

    choices: tuple[tuple[str, ...], ...]
    only_one: bool = False
    label: str = INVALID_FORMAT
    message: str = ""
    when: tuple[When, ...] = ()

    def applies(self, params: Mapping[str, str]) -> bool:
        """Whether the rule is for this request at all."""
        return not self.when or all(condition.holds(params) for condition in self.when)

    def is_met(self, params: Mapping[str, str]) -> bool:
        """Whether the request makes at least one of the choices."""
        for choice in self.choices:
            for name in choice:
                if not params.get(name):
                    break
            else:
                return True
        return False

    def met_by(self, params: Mapping[str, str]) -> list[tuple[str, ...]]:
        """The choices that the request makes, in order of precedence."""
        return [choice for choice in self.choices if all(params.get(name) for name in choice)]

    def in_words(self) -> str:
        """The choices as people would say them: `A`, or `A`, or `B` and `C`."""
        return " or ".join(" and ".join(choice) for choice in self.choices)

    def answer(self) -> tuple[str, str]:
        """(label, message) of the reply when the rule is broken."""
        return self.label, self.message or f"Required: {self.in_words()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One possible RESULTTYPE of a command, with the sentence that says when. A text that the sentence quotes is the
    message. `never` says why an answer that the specification lists does not occur here, "" where it does."""

    label: str
    sentence: str
    never: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the protocol. `parameters` lists all it reads; what no requirement names is optional.

    `reply` shows the nodes after the standard ones, texts saying what stands there. `example` is a request that the
    command accepts. `done` says whether this release carries it out or only declares it. `spelt` gives the parameter
    for each accepted spelling in capitals; `plain` the canonical name, of those that take any text up to `ID_LIMIT`.
    """

    name: str
    family: Family
    sentence: str
    parameters: tuple[Parameter, ...] = ()
    requires: tuple[Requirement, ...] = ()
    returns: tuple[Return, ...] = ()
    doors: tuple[Door, ...] = BOTH_DOORS
    reply: tuple[Node, ...] = ()
    shape: Shape = STANDARD
    notes: tuple[str, ...] = ()
    example: tuple[tuple[str, str], ...] = ()
    done: bool = False
    spelt: Mapping[str, Parameter] = field(init=False, repr=False, compare=False)
    plain: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        spelt = {parameter.name: parameter for parameter in self.parameters}
        if len(spelt) != len(self.parameters):
            raise ValueError(f"{self.name} takes a parameter twice")
        canonical = set(spelt)
        for parameter in self.parameters:
            for name in parameter.accepted_names():
                if name in canonical and name != parameter.name:
                    continue
                if spelt.setdefault(name, parameter) is not parameter:
                    raise ValueError(f"{self.name}: {name} means both {spelt[name].name} and {parameter.name}")
        for requirement in self.requires:
            named = {name for choice in requirement.choices for name in choice}
            named |= {condition.name for condition in requirement.when}
            if not named <= canonical or requirement.label not in CODES:
                raise ValueError(f"{self.name}: a requirement names {named - canonical} or {requirement.label}")
        for possible in self.returns:
            if possible.label not in CODES:
                raise ValueError(f"{self.name} returns {possible.label}, which has no number")
        plain = {name: p.name for name, p in spelt.items() if p.kind == "text" and p.limit >= ID_LIMIT}
        object.__setattr__(self, "spelt", MappingProxyType(spelt))
        object.__setattr__(self, "plain", plain)

    @property
    def required(self) -> tuple[Parameter, ...]:
        """The parameters that some requirement names, in the order of `parameters`."""
        named = {name for requirement in self.requires for choice in requirement.choices for name in choice}
        return tuple(parameter for parameter in self.parameters if parameter.name in named)

    @property
    def optional(self) -> tuple[Parameter, ...]:
        """The parameters that no requirement names."""
        required = self.required
        return tuple(parameter for parameter in self.parameters if parameter not in required)


def needs(*names: str, label: str = INVALID_FORMAT, message: str = "", when: tuple[When, ...] = ()) -> Requirement:
    """All of `names` must be given."""
    return Requirement(choices=(names,), label=label, message=message, when=when)


def any_of(
    *choices: str | tuple[str, ...],
    only_one: bool = False,
    label: str = INVALID_FORMAT,
    message: str = "",
    when: tuple[When, ...] = (),
) -> Requirement:
    """At least one of `choices` must be given; a tuple is given when all of its parameters are."""
    each = tuple(choice if isinstance(choice, tuple) else (choice,) for choice in choices)
    return Requirement(choices=each, only_one=only_one, label=label, message=message, when=when)


def a_device(*, when: tuple[When, ...] = ()) -> Requirement:
    """A device, named in any of five ways, in the order of precedence of reference.md 14.3 (CALLSTART)."""
    names = ("DEVICEID", "STATIONNAME", "DEVICEALIAS", "SYS_USER", "CRM_USER")
    return any_of(*names, label=DEVICE_INVALID, message=NO_DEVICE, when=when)


def one_device() -> Requirement:
    """A device, named in one of four ways; several are accepted, the first counts (DEVICESTATUS)."""
    names = ("DEVICEID", "DEVICEALIAS", "CRM_USER", "SYS_USER")
    return any_of(*names, only_one=True, label=DEVICE_INVALID, message=NO_DEVICE)


def one_device_or_agent() -> Requirement:
    """As `one_device`, with API_AGENT_NOT_FOUND when nobody is named (BLACKOUTSTART)."""
    names = ("DEVICEID", "DEVICEALIAS", "CRM_USER", "SYS_USER")
    return any_of(
        *names, only_one=True, label=AGENT_NOT_FOUND, message="Could not find a device or an agent: none is named"
    )
