"""Who took part in a call: each address once, whatever is said of it, and in how many words."""

from earshot.engine.model import Call

AGENT = {"aor": "sip:3001@pbx.example", "name": "Ada", "number": "3001", "role": "agent"}
CALLER = {"aor": "sip:614@carrier.example", "name": "", "number": "614", "role": "other"}
UNKNOWN = {"aor": "", "name": "Anonymous", "number": "", "role": "other"}


def test_a_party_named_again_with_less_or_more_is_the_same_party() -> None:
    call = Call(key="c", device_id="3001", instance="", started_us=0)
    call.meet((AGENT, CALLER))
    call.meet(({**AGENT, "name": ""}, {**CALLER, "name": "Bert"}))
    assert call.participants == [AGENT, {**CALLER, "name": "Bert"}]
    assert CALLER["name"] == "", "what the session said is its own"


def test_parties_without_an_address_are_told_apart_by_everything_else() -> None:
    call = Call(key="c", device_id="3001", instance="", started_us=0)
    call.meet((UNKNOWN, {**UNKNOWN, "name": "Withheld"}, UNKNOWN))
    assert [one["name"] for one in call.participants] == ["Anonymous", "Withheld"]
