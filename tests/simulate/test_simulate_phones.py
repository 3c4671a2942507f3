"""A phone on hold: signalled, silent meanwhile, and talking again where the recorder says."""

import random

from tests.simulate.conftest import Start
from tests.simulate.responder import Responder

from earshot.clock import SystemClock
from earshot.simulate.codecs import frames
from earshot.simulate.offer import Party, Session
from earshot.simulate.phones import Phones
from earshot.simulate.sender import Sender

SESSION = Session(parties=(Party(number="1001", name="A"), Party(number="2", name="B")), codecs=("G722",))


async def test_hold_and_resume(start: Start) -> None:
    client, recorder = await start("udp", Responder())
    sender = Sender(SystemClock(), calls=1, phases=1)
    phones = Phones(client, sender, random.Random(3))
    live = await phones.ring(SESSION, "complaint")
    for _ in range(5):
        assert sender.tick() == 2
    await phones.hold(live)
    assert [sender.tick() for _ in range(10)] == [0] * 10
    await phones.resume(live)
    for _ in range(5):
        assert sender.tick() == 2
    await recorder.until(lambda: sum(len(packets) for packets in recorder.sound) == 20)
    await phones.hang_up(live)
    assert sender.tick() == 0
    sender.close()
    # The recorder of the tests answers each offer with new ports: two at first, two for the hold, two for the resume.
    assert [len(packets) for packets in recorder.sound] == [5, 5, 0, 0, 5, 5]
    agent = frames("complaint", "agent", "G722")
    assert [packet[12:] for packet in recorder.sound[4]] == [agent.payload(n) for n in range(15, 20)]
    before, after = (int.from_bytes(recorder.sound[n][m][2:4], "big") for n, m in ((0, 4), (4, 0)))
    assert (after - before) & 0xFFFF == 1
    early, late = (int.from_bytes(recorder.sound[n][m][4:8], "big") for n, m in ((0, 4), (4, 0)))
    assert (late - early) % 2**32 == 11 * 160
    assert recorder.sound[4][0][1] == 0x80 | 9
    assert recorder.methods() == ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"]
    assert (phones.placed, phones.answered) == (1, 1)
