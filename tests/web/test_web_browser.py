"""The console in a real browser against the real server: logging in, watching, listening."""

import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from tests.web.world import NOON, PASSWORD, World, a_snapshot

from earshot.engine.variables import CallVariables
from earshot.listeners.http import serve_http
from earshot.tasks import Spawner

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = os.environ.get("EARSHOT_SHOTS", "")


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    spawner = Spawner()
    server = await serve_http(world.app(), "127.0.0.1", 0, spawner=spawner)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.close()
        await spawner.close()


async def shoot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


async def log_in(page: Page) -> None:
    await page.get_by_label("User name").fill("admin")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def opened(context: BrowserContext, complaints: list[str]) -> Page:
    """A page that writes down everything the browser complains about."""
    page = await context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def furnish(world: World) -> int:
    dice = ("silent",), (), ("one-sided", "short"), (), ("lossy",), (), ("mixed",), ()
    for number in range(8, 1, -1):
        outward = CallVariables(device_id=f"20{number}", device_alias=f"200{number}", dnis="0800555", direction="O")
        await world.add_call(
            number,
            seconds=3.0 + 4 * number,
            warnings=dice[number - 1],
            agent_id=2 if number % 3 == 0 else None,
            channels=1 if number == 7 else 2,
            variables=outward if number % 2 else None,
        )
    await world.add_failed_call(9)
    gaps = ((4.0, 5.5, "loss"), (11.0, 14.0, "hold"), (20.0, 22.0, "blackout"))
    variables = CallVariables(
        device_id="201", device_alias="2001", ani="+49301234567", direction="I", call_id="00-4711", group="Support",
        users=("Gold Level", "10121968", *[""] * 13), keep_days=365,
    )  # fmt: skip
    return await world.add_call(1, seconds=30.0, gaps=gaps, agent_id=2, warnings=("lossy",), variables=variables)


async def test_a_person_logs_in_watches_and_listens(world: World) -> None:
    number = await furnish(world)
    world.live.publish(a_snapshot(NOON, 4))
    complaints: list[str] = []
    async with chromium() as browser, served(world) as base:
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        page = await opened(context, complaints)

        await page.goto(f"{base}/")
        await shoot(page, "login")
        await log_in(page)
        await expect(page.locator("#link-word")).to_have_text("Live")
        await expect(page.locator("#calls tr")).to_have_count(4)
        await expect(page.locator("#calls tr").first).to_contain_text("Sally Smith")
        await expect(page.locator("#count-recording")).to_have_text("2")
        await expect(page.locator("#devices li")).to_have_count(9)
        await expect(page.locator("#calls b").get_by_text("Bold")).to_have_count(0)
        await shoot(page, "now")
        world.live.publish(a_snapshot(NOON, 1))
        await expect(page.locator("#calls tr")).to_have_count(1)
        world.live.publish(a_snapshot(NOON, 0))
        await expect(page.locator("#calls-none")).to_be_visible()

        await page.get_by_role("link", name="Recordings", exact=True).click()
        await expect(page.locator("table.recordings tbody tr")).to_have_count(8)
        await page.get_by_role("button", name=f"Play recording {number}").click()
        await expect(page.get_by_role("button", name=f"Pause recording {number}")).to_be_visible()
        await shoot(page, "recordings")
        await page.get_by_label("Search for").fill("Sally")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("table.recordings tbody tr")).to_have_count(3)

        await page.goto(f"{base}/MediaPlayer/ExternalCallListPlayer/{number}/false")
        await expect(page).to_have_url(f"{base}/recordings/{number}")
        await use_the_player(page)
        await shoot(page, "recording")
        await page.goto(f"{base}/calls")
        await shoot(page, "calls")
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(f"{base}/login")
    assert complaints == []


async def use_the_player(page: Page) -> None:
    """Click, space and arrows, and a look at the pixels."""
    await expect(page.locator("#player[data-drawn=yes]")).to_be_visible()
    canvas = page.get_by_role("slider", name="Position in the recording")
    box = await canvas.bounding_box()
    assert box is not None
    await canvas.click(position={"x": box["width"] / 2, "y": 20})
    await expect(canvas).to_have_attribute("aria-valuetext", re.compile("0:1[45] of 0:30"))
    await canvas.focus()
    await page.keyboard.press("ArrowRight")
    await expect(canvas).to_have_attribute("aria-valuetext", re.compile("0:(19|20) of 0:30"))
    await page.keyboard.press(" ")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await expect(page.locator("#position")).to_have_text(re.compile("0:2[1-9]"))
    await page.keyboard.press(" ")
    await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    colours = await page.evaluate(
        """() => { const canvas = document.getElementById("wave");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const found = new Set();
        for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 4).join());
        return found.size; }"""
    )
    assert colours > 5


async def test_dark_small_and_empty(world: World) -> None:
    complaints: list[str] = []
    async with chromium() as browser, served(world) as base:
        context = await browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
        page = await opened(context, complaints)
        await page.goto(f"{base}/login")
        await log_in(page)
        await expect(page.locator("#calls-none")).to_be_visible()
        await expect(page.locator("#devices-none")).to_be_visible()
        await shoot(page, "empty-dark")
        number = await furnish(world)
        world.live.publish(a_snapshot(NOON, 4))
        await expect(page.locator("#calls tr")).to_have_count(4)
        await shoot(page, "now-dark-small")
        await page.goto(f"{base}/recordings/{number}")
        await expect(page.locator("#player[data-drawn=yes]")).to_be_visible()
        await shoot(page, "recording-dark-small")
        for path in ("/", "/recordings", f"/recordings/{number}", "/calls", "/calls/1"):
            await page.goto(base + path)
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
    assert complaints == []


@pytest.mark.parametrize("target", ["/recordings", "/calls?verdict=failed"])
async def test_who_follows_a_link_from_elsewhere_need_not_log_in_again(world: World, target: str) -> None:
    async with chromium() as browser, served(world) as base:
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{base}/login")
        await log_in(page)
        await expect(page.locator("#link-word")).to_have_text("Live")
        elsewhere = base.replace("127.0.0.1", "localhost")
        await page.goto(f"{elsewhere}/healthz")
        await page.evaluate("target => { location.href = target; }", base + target)
        await expect(page).to_have_url(base + target)
