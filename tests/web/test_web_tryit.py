"""The try-it page against the real server: who may, what is sent, and the page itself in a real browser."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from tests.plain_http import http_client
from tests.servers import Speaker, in_process

from earshot.api.permissions import API_TOKENS, SEARCH
from earshot.config import load
from earshot.operations import create_user
from earshot.ports import User
from earshot.protocol.commands import COMMANDS
from earshot.web.passwords import hash_password

PASSWORD = "long enough a word"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = os.environ.get("SHOTS", "")
STOP = "<REQUEST><TYPE>{}</TYPE><REQUESTID>9</REQUESTID>{}</REQUEST>"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Speaker]:
    """A server with an administrator and a clerk who may search and make tokens, nothing else."""
    await create_user(load(data_dir=tmp_path / "data"), "ada", PASSWORD, True)
    async with in_process(tmp_path / "data") as speaker:
        assert speaker.inside is not None
        context = speaker.inside.context
        number = await context.store.add_user(User(username="clerk"), await asyncio.to_thread(hash_password, PASSWORD))
        role = await context.access.add_role("Clerk", "")
        for permission in (SEARCH, API_TOKENS):
            await context.access.grant(role, "permission", permission)
        await context.access.give_role(role, number)
        context.authority.forget()
        yield speaker


def base_of(server: Speaker) -> str:
    return f"http://127.0.0.1:{server.http_port}"


@contextlib.asynccontextmanager
async def logged_in(server: Speaker, username: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"origin": base_of(server), "accept": "text/html"}
    async with http_client(base_url=base_of(server), headers=headers) as http:
        await http.post("/login", data={"username": username, "password": PASSWORD})
        yield http


class TestWhoMay:
    async def test_nobody_without_a_login(self, server: Speaker) -> None:
        async with http_client(base_url=base_of(server)) as http:
            for path in ("/tryit", "/tryit/commands.json"):
                assert (await http.get(path)).status_code == 401
            headers = {"origin": base_of(server)}
            assert (await http.post("/tryit/send", content=STOP.format("TEST", ""), headers=headers)).status_code == 401

    async def test_the_table_is_whole_and_says_what_is_lacking(self, server: Speaker) -> None:
        async with logged_in(server, "clerk") as http:
            table = (await http.get("/tryit/commands.json")).json()
        found = {command["name"]: command for family in table["families"] for command in family["commands"]}
        assert found.keys() == COMMANDS.keys()
        assert (
            found["CALLSTART"]["needs"] == "CALLCONTROL" and found["CALLLIST"]["needs"] == found["TEST"]["needs"] == ""
        )
        names = [parameter["name"] for parameter in found["EXPORT"]["parameters"]]
        assert names == [parameter.name for parameter in COMMANDS["EXPORT"].parameters]

    async def test_a_person_does_no_more_than_its_roles_allow(self, server: Speaker) -> None:
        async with logged_in(server, "clerk") as http:
            refused = await http.post("/tryit/send", content=STOP.format("CALLSTART", "<DEVICEID>555</DEVICEID>"))
            assert "API_INVALID_REQUEST_TYPE" in refused.text and "CALLCONTROL" in refused.text
            allowed = await http.post("/tryit/send", content=STOP.format("CALLLIST", ""))
            assert "API_OK" in allowed.text and "dur=" in allowed.headers["server-timing"]
        assert b"<COUNT>0<" in await server.command("DEVICELIST")

    async def test_what_is_done_is_noted_of_that_person(self, server: Speaker) -> None:
        async with logged_in(server, "ada") as http:
            await http.post("/tryit/send", content=STOP.format("ADDGROUP", "<GROUPNAME>Sales</GROUPNAME>"))
            trail = (await http.get("/audit.json")).text
        noted = [entry for entry in map(str, json.loads(trail)) if "Sales" in entry]
        assert len(noted) == 1 and "ada" in noted[0]

    async def test_pages_of_other_sites_send_nothing(self, server: Speaker) -> None:
        async with logged_in(server, "ada") as http:
            document = STOP.format("CALLSTART", "<DEVICEID>555</DEVICEID>")
            for headers in ({"origin": "http://elsewhere.example"}, {"sec-fetch-site": "cross-site"}):
                assert (await http.post("/tryit/send", content=document, headers=headers)).status_code == 403
        assert b"<COUNT>0<" in await server.command("DEVICELIST")


@contextlib.asynccontextmanager
async def a_page(server: Speaker, complaints: list[str], **options: Any) -> AsyncIterator[Page]:
    """The page in Chromium, logged in as ada; writes down what the browser complains about."""
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            context = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
            page = await context.new_page()
            page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(f"{base_of(server)}/tryit")
            await page.get_by_label("User name").fill("ada")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.locator("#tryit[data-ready=yes]")).to_be_visible()
            yield page
        finally:
            await browser.close()


async def shoot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"tryit-{name}.png"), full_page=True)


async def pick(page: Page, name: str) -> None:
    await page.get_by_label("Search commands").fill(name)
    await page.get_by_label("Search commands").press("Enter")
    await expect(page.locator("#command-name")).to_have_text(name)


async def test_a_call_is_started_from_the_page(server: Speaker) -> None:
    complaints: list[str] = []
    async with a_page(server, complaints) as page:
        await expect(page.locator("#commands li")).to_have_count(len(COMMANDS))
        await pick(page, "CALLSTART")
        await shoot(page, "empty")
        await expect(page.locator("#rules li.met")).to_have_count(0)
        await page.get_by_role("button", name="Fill in the example").click()
        await expect(page.locator("#rules li.met")).to_have_count(1)
        await page.get_by_label("ANI", exact=False).first.fill("6145 & <b>")
        await page.locator("#field-CALLDIRECTION").select_option("I")
        await expect(page.locator("#xml")).to_contain_text("<ANI>6145 &amp; &lt;b&gt;</ANI>")
        await expect(page.locator("#url")).to_contain_text("ani=6145%20%26%20%3Cb%3E")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#verdict")).to_contain_text("API_OK")
        await expect(page.locator("#verdict")).to_contain_text("in the server")
        await expect(page.locator("#answer .good").first).to_have_text("API_OK")
        await shoot(page, "answer")
        status = await server.command("DEVICESTATUS", DEVICEID=555)
        assert b"<ANI>6145 &amp; &lt;b&gt;</ANI>" in status and b"<USER1>Gold Level</USER1>" in status

        await pick(page, "CALLUPDATE")
        await page.locator("#field-DEVICEID").fill("555")
        await page.locator("#more summary").click()
        await page.locator("#blank-USER1").check()
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#history li")).to_have_count(2)
        assert b"<USER1></USER1>" in await server.command("DEVICESTATUS", DEVICEID=555)

        await pick(page, "DEVICESTATUS")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#verdict .bad")).to_have_text("API_DEVICE_INVALID")
        await expect(page.locator("#answer .bad").first).to_have_text("API_DEVICE_INVALID")
        await shoot(page, "refusal")
        await page.locator("#history button").last.click()
        await expect(page.locator("#command-name")).to_have_text("CALLSTART")
        await expect(page.locator("#field-USER1")).to_have_value("Gold Level")
        await expect(page.locator("#answer .good").first).to_have_text("API_OK")
        await page.reload()
        await expect(page.locator("#history-part")).to_be_hidden()
        await expect(page.locator("#command-name")).to_have_text("CALLSTART")
    assert complaints == []


async def test_an_export_is_saved_from_the_page(server: Speaker, tmp_path: Path) -> None:
    await server.make_recording("700")
    complaints: list[str] = []
    async with a_page(server, complaints, color_scheme="dark") as page:
        await pick(page, "EXPORT")
        await page.locator("#field-UNIQUEFIELD").fill("DEVICEID")
        await page.locator("#field-UNIQUEID").fill("700")
        await page.locator("#field-MEDIA_FORMAT").select_option("CAV")
        await page.locator("#field-ENCRYPT").select_option("Y")
        await page.locator("#field-PASSWORD").fill("open sesame")
        assert "open sesame" not in await page.inner_text("body")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#verdict .good")).to_have_text("HTTP 200, a file")
        await shoot(page, "export-dark")
        async with page.expect_download() as coming:
            await page.get_by_role("link", name=re.compile("^Save ")).click()
        await (await coming.value).save_as(tmp_path / "saved.cav")
        assert (tmp_path / "saved.cav").stat().st_size > 1000
        await page.set_viewport_size({"width": 420, "height": 900})
        await shoot(page, "narrow-dark")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []


async def run_snippet(text: str) -> str:
    process = await asyncio.create_subprocess_exec("bash", "-c", text, stdout=-1, stderr=-1)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_what_is_copied_works(server: Speaker, tmp_path: Path) -> None:
    """Quotes, signs and line ends of the shell, of XML, of URLs and of Python in one value."""
    hostile = 'it\'s "5" & <6> $HOME `x` \\n %41 + é'
    complaints: list[str] = []
    async with a_page(server, complaints) as page:
        await pick(page, "CALLSTART")
        await page.locator("#field-DEVICEID").fill("0555")
        await page.locator("#more summary").click()
        await page.locator("#field-USER1").fill(hostile)
        await page.locator("#field-AGENTINITIATED").select_option("Y")
        await page.locator("#field-MAXRECORDTIME").fill("60")
        texts = {}
        for kind in ("curl", "python", "socket", "cli"):
            texts[kind] = await page.evaluate(
                "async (kind) => { let text; navigator.clipboard.writeText = async (given) => { text = given; };"
                "document.querySelector(`[data-copy=${kind}]`).click(); await null; return text; }",
                kind,
            )
            await expect(page.locator("#copied")).to_contain_text("Copied")
        url = await page.inner_text("#url")
    assert complaints == []
    port, python = str(server.api_port), Path(sys.executable)
    assert "maxrecordtime=60, agentinitiated=True" in texts["python"]
    program = tmp_path / "program.py"
    program.write_text(texts["python"].replace("api_port=0", f"api_port={port}"))
    commands = {
        "url": f"curl -s '{url}'",
        "curl": texts["curl"].replace("curl ", "curl -s ", 1),
        "python": f"{python} {program}",
        "cli": f"{python.parent / texts['cli']} --api-port {port}",
        "socket": texts["socket"].replace("127.0.0.1 0", f"127.0.0.1 {port}").replace("nc -w 5", "timeout 3 nc -w 1"),
    }
    missing = [
        kind for kind, needed in (("socket", "nc"), ("url", "curl"), ("curl", "curl")) if not shutil.which(needed)
    ]
    for kind, text in commands.items():
        if kind in missing:
            continue
        await server.command("CALLUPDATE", DEVICEID="0555", USER1="")
        assert "CALLSTART sent to all" in await run_snippet(text), kind
        answer = (await server.command("DEVICESTATUS", DEVICEID="0555")).decode()
        found = re.search("<USER1>(.*?)</USER1>", answer)
        assert found is not None, kind
        assert found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == hostile, kind
