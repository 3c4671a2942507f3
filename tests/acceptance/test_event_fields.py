"""What events really say, against the table of their types: no field that the reference does not list, in its order."""

import asyncio
from pathlib import Path

from tests.post.mailable import mail_recording
from tests.servers import in_process

from earshot.api.events import Event
from earshot.protocol.events import EVENT_TYPES

HAPPENS = {
    *("CALLSTART", "CALLUPDATE", "CALLSTOP", "RECORDSTART", "RECORDSTOP", "RECORDINGSAVED", "CHANNELSTATE"),
    *("BLACKOUTSTART", "BLACKOUTSTOP", "CHATSTART", "CHATUPDATE", "CHATSTOP", "AGENTSTATE"),
    *("EXPORTSTARTED", "EXPORTFINISHED", "MAILSENT", "MAILFAILED"),
}


async def test_every_event_says_what_the_reference_lists(tmp_path: Path) -> None:
    seen: dict[str, Event] = {}
    async with in_process(tmp_path / "data") as server:
        assert server.inside is not None
        server.inside.hub.listen(lambda events: seen.update({event.type: event for event in events}))
        user = {"USERNAME": "jsmith", "SYS_USER": "ceddy", "CRM_USER": "crm", "PHONES": "555"}
        await server.command("IMPORTUSER", ACTION="ADD", **user)
        server.add_desktop("ceddy")
        await server.command("CHATSTART", SESSIONID="s1", AGENTID=1)
        await server.command("CHATUPDATE", SESSIONID="s1", GROUP=5)
        await server.command("CHATSTOP", SESSIONID="s1")
        await server.command("CALLSTART", DEVICEID=555, CALLINSTANCE=1)
        await server.command("CALLUPDATE", DEVICEID=555, USER1="x")
        await server.command("BLACKOUTSTART", DEVICEID=555)
        await server.command("BLACKOUTSTOP", DEVICEID=555)
        await server.command("AGENTBLACKOUTSTART", SYS_USER="ceddy")
        await server.command("AGENTBLACKOUTSTOP", SYS_USER="ceddy")
        await server.command("CALLSTOP", DEVICEID=555)
        mail = await mail_recording(server, 1509)
        await server.command("EMAIL", IDENT=1509, TOADDRESS="jane@uptivity.com", MEDIA_FORMAT="MP3")
        mail.says_data = "554 no"
        await server.command("EMAIL", IDENT=1509, TOADDRESS="jane@uptivity.com", MEDIA_FORMAT="WAV")
        try:
            async with asyncio.timeout(60):
                while not seen.keys() >= HAPPENS:
                    server.inside.hub.flush()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never came: {sorted(HAPPENS - seen.keys())}") from None
    wrong = {}
    for kind, event in seen.items():
        said, listed = [name for name, _ in event.fields], EVENT_TYPES[kind].fields
        if [name for name in listed if name in said] != said:
            wrong[kind] = said
    assert wrong == {}
