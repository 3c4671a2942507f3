"""The page of the mail queue: what it shows, to whom, and that retry and drop work and are noted."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.post.letters import a_mail
from tests.post.test_mail_delivery import Office
from tests.web.conftest import SAME_ORIGIN, TOKEN
from tests.web.world import World

from earshot.ports.outbox import Mail, MailRefused
from earshot.web.gate import COOKIE
from earshot.web.logins import LOGIN_S, fingerprint
from earshot.web.mail import ROWS, MailPages

EVIL = "<script>alert('x')</script>\"'&"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path)
    yield made
    await made.spawner.close()


@pytest.fixture
async def browser(world: World, office: Office) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of the pages and this one; nobody is logged in."""
    app = world.app()
    app.router.routes[:0] = MailPages(office.delivery, world, office.clock).routes()
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 40000))
    async with httpx.AsyncClient(transport=transport, base_url="http://recorder", headers=SAME_ORIGIN) as client:
        yield client


async def log_in(world: World, browser: httpx.AsyncClient, user_id: int) -> None:
    await world.store.add_login(fingerprint(TOKEN), user_id, world.clock.now() + LOGIN_S)
    browser.cookies.set(COOKIE, TOKEN)


async def dead(office: Office) -> Mail:
    """One mail that was refused for good."""
    office.mailer.says = MailRefused("recipient", "550 nobody of that name")
    (outcome,) = await office.submit([office.mail()])
    office.mailer.says = None
    assert outcome is not None
    return outcome.mail


async def test_who_may_see_it(world: World, office: Office, browser: httpx.AsyncClient) -> None:
    await dead(office)
    assert (await browser.get("/mail")).status_code == 303
    await log_in(world, browser, 2)
    answer = await browser.get("/mail")
    assert (answer.status_code, "SYSTEMCONFIGURATION" in answer.text) == (403, True)
    for act in ("retry", "drop"):
        assert (await browser.post(f"/mail/1/{act}")).status_code == 403
    assert (await office.state()).state == "dead"


async def test_the_list(world: World, office: Office, browser: httpx.AsyncClient) -> None:
    await log_in(world, browser, 1)
    assert "No mail yet." in (await browser.get("/mail")).text
    await dead(office)
    await office.submit([office.mail(to="joe@uptivity.com")])
    page = (await browser.get("/mail")).text
    assert "550 nobody of that name" in page
    assert "Given up <b>1</b>" in page and "Sent <b>1</b>" in page
    page = (await browser.get("/mail?state=sent")).text
    assert "joe@uptivity.com" in page and "jane@uptivity.com" not in page
    assert "No mail is “queued”" in (await browser.get("/mail?state=queued")).text
    for junk in ("state=nonsense", "before=x", "before=-1", "before=" + "9" * 40):
        assert "joe@uptivity.com" in (await browser.get(f"/mail?{junk}")).text


async def test_it_goes_on_and_escapes(world: World, office: Office, browser: httpx.AsyncClient) -> None:
    await log_in(world, browser, 1)
    evil = {"to_name": EVIL, "from_name": EVIL, "last_error": EVIL, "requested_by": EVIL}
    await office.outbox.add([a_mail(message_id=f"<{n}@x>", **evil) for n in range(ROWS + 3)])
    page = (await browser.get("/mail")).text
    assert "<script>alert" not in page
    assert page.count("/drop") == ROWS
    older = (await browser.get("/mail?before=4")).text
    assert older.count("/drop") == 3
    assert 'href="/mail?before=4"' in page


async def test_retry_and_drop(world: World, office: Office, browser: httpx.AsyncClient) -> None:
    await log_in(world, browser, 1)
    await dead(office)
    answer = await browser.post("/mail/1/retry")
    assert (answer.status_code, answer.headers["location"]) == (303, "/mail")
    assert await office.delivery.round() == 1
    assert (await office.state()).state == "sent"
    for path in ("/mail/1/retry", "/mail/9/retry", "/mail/9/drop", f"/mail/{2**70}/retry", f"/mail/{2**70}/drop"):
        assert (await browser.post(path)).status_code == 409
    assert (await browser.post("/mail/1/drop")).status_code == 303
    assert await office.outbox.mail(1) is None
    acts = [(act, subject) for _, act, subject in await world.acts()]
    assert acts[-2:] == [("changed", "mail 1"), ("deleted", "mail 1")]


async def test_a_form_of_another_site_changes_nothing(world: World, office: Office, browser: httpx.AsyncClient) -> None:
    await log_in(world, browser, 1)
    await dead(office)
    answer = await browser.post("/mail/1/drop", headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert (await office.state()).state == "dead"
