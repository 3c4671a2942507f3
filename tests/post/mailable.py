"""A server inside this process that can send mail, with a finished recording of a chosen number."""

from dataclasses import replace

import sqlalchemy as sa
from tests.post.mail_server import MailServer, mail_server
from tests.servers import Speaker

from earshot.post.smtp import SmtpMailer, SmtpSettings
from earshot.store.tables import RECORDINGS


async def mail_recording(server: Speaker, number: int) -> MailServer:
    """Give `server` a mail server on loopback, and a recording of device `number` whose RECORDID is `number` too."""
    assert server.inside is not None and server.inside.context.mail is not None
    desk = server.inside.context.mail
    there = await server.undo.enter_async_context(mail_server())
    desk.delivery.mailer = SmtpMailer(SmtpSettings(host="127.0.0.1", port=there.port, security="none", timeout_s=10.0))
    desk.policy = replace(desk.policy, sender="recorder@uptivity.com")
    if await server.inside.store.recording(number) is None:
        await server.make_recording(str(number))
        newest = await server.inside.store.newest_recording("device_id", str(number))
        assert newest is not None
        async with server.inside.database.write() as connection:
            row = sa.update(RECORDINGS).where(RECORDINGS.c.ident == newest.record_id)
            await connection.execute(row.values(ident=number))
    return there
