"""The pages: what they show, how they are searched, and that nothing from outside becomes markup."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from tests.web.world import NOON, World

from earshot.engine.variables import CallVariables
from earshot.ports import RecordingFilter
from earshot.web.search import ROWS, SCANNED, Search, read_cursor, read_search, written_cursor

EVIL = "<script>alert('x')</script>\"'&"


def shown(page: str) -> list[int]:
    """RECORDIDs of the rows of a page, in order."""
    return [int(found) for found in re.findall(r'data-listen="/recordings/(\d+)/', page)]


def link(page: str, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return found[1].replace("&amp;", "&") if found else ""


class Inline(HTMLParser):
    """Finds what the Content-Security-Policy would forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.found += [f"{tag} {name}" for name in names if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        for name in ("src", "href", "action"):
            if (names.get(name) or "/").startswith(("http", "//", "javascript:")):
                self.found.append(f"{tag} {name}={names[name]}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "earshot simulate"),
        ("/recordings", "earshot simulate"),
        ("/calls", "earshot send CALLSTART"),
        ("/calls?verdict=failed", "No call ended as “failed”"),
        ("/recordings?q=nothing", "Nothing found."),
        ("/recordings/5", "There is no recording 5"),
        ("/calls/5", "There is no call 5"),
        ("/nowhere", "There is nothing at this address"),
    ],
)
async def test_an_empty_page_says_what_to_do(admin: httpx.AsyncClient, path: str, words: str) -> None:
    assert words in (await admin.get(path)).text


async def test_every_page_escapes_and_obeys_its_own_policy(world: World, admin: httpx.AsyncClient) -> None:
    variables = CallVariables(
        device_id=EVIL, device_alias=EVIL, ani=EVIL, dnis=EVIL, call_id=EVIL, users=(EVIL,) * 15, group=EVIL
    )
    number = await world.add_call(1, variables=variables, warnings=(EVIL,), gaps=((1.0, 2.0, EVIL),))
    query = f"?q={EVIL}&field={EVIL}&from={EVIL}&warning={EVIL}&before={EVIL}&back={EVIL}"
    paths = ["/", "/latest", "/recordings", f"/recordings{query}", f"/recordings/{number}", "/calls", f"/calls{query}"]
    for path in [*paths, "/calls/1", "/nowhere", f"/recordings/{EVIL}"]:
        page = (await admin.get(path)).text
        assert "<script>alert" not in page, path
        inline = Inline()
        inline.feed(page)
        assert inline.found == [], path


async def test_the_list_shows_a_recording_with_all_that_is_asked(world: World, admin: httpx.AsyncClient) -> None:
    number = await world.add_call(3, seconds=65.0, agent_id=2, warnings=("one-sided",))
    page = (await admin.get("/recordings")).text
    for words in ("Wed 15 Nov 2023", "11:57:00", "UTC", "Sally Smith", "203", "+49301230003", "1:05", "One-sided", "↘"):
        assert words in page, words
    assert f"/recordings/{number}/audio.mp3?download=1" in page


async def test_the_page_of_a_recording_shows_everything(world: World, admin: httpx.AsyncClient) -> None:
    variables = CallVariables(device_id="200", ani="111", direction="I", users=("Gold Level", *[""] * 14), keep_days=30)
    number = await world.add_call(1, variables=variables, warnings=("lossy",), gaps=((1.0, 2.5, "loss"),))
    page = (await admin.get(f"/recordings/{number}")).text
    for words in ("Gold Level", "30 days", "PCMA", "0.7 %", "42#", "Unquoted boundary", "0:01 – 0:02", "packets lost"):
        assert words in page, words
    for words in ("Sally &lt;Smith&gt;", "API and SIPREC", "The phone system ended the call", "xml:ns:recording:1"):
        assert words in page, words


async def test_filters_find_exactly(world: World, admin: httpx.AsyncClient) -> None:
    silent, sally = {2: ("silent",)}, {3: 2}
    numbers = [await world.add_call(n, warnings=silent.get(n, ()), agent_id=sally.get(n)) for n in range(5)]
    for query, wanted in (
        ("q=203&field=device_id", [3]),
        ("q=20&field=device_id", []),
        ("q=012300", [0, 1, 2, 3, 4]),
        ("q=SALLY", [3]),
        ("warning=silent", [2]),
        ("warning=short", []),
        ("from=2023-11-15&to=2023-11-15", [0, 1, 2, 3, 4]),
        ("from=2023-11-16", []),
        ("to=2023-11-14", []),
        ("from=nonsense&field=nonsense&warning=nonsense", [0, 1, 2, 3, 4]),
    ):
        page = (await admin.get(f"/recordings?{query}")).text
        assert shown(page) == [numbers[n] for n in wanted], query


@pytest.mark.parametrize("query", ["", "q=%2B49"])
async def test_pages_go_on_and_come_back(world: World, admin: httpx.AsyncClient, query: str) -> None:
    at = {n: NOON - (n // 3) * 0.1 for n in range(2 * ROWS + 7)}
    for n in at:
        await world.add_call(n, seconds=0.1, at=at[n])
    expected = [row.record_id for row in await world.store.recordings(RecordingFilter(), 1000)]
    pages = [(await admin.get(f"/recordings?{query}")).text]
    while onward := link(pages[-1], "next"):
        pages.append((await admin.get(onward)).text)
    assert [number for page in pages for number in shown(page)] == expected
    assert len(pages) == 3
    back = (await admin.get(link(pages[2], "prev"))).text
    assert shown(back) == shown(pages[1])
    assert shown((await admin.get(link(back, "prev"))).text) == shown(pages[0])


async def test_a_search_is_bounded_and_goes_on_when_asked(world: World, admin: httpx.AsyncClient) -> None:
    await world.add_call(0, seconds=0.1, at=NOON - 10**6, variables=CallVariables(device_id="needle"))
    await world.add_hay(SCANNED + 5)
    page = (await admin.get("/recordings?q=needle")).text
    assert "Nothing found so far" in page
    page = (await admin.get(link(page, "next"))).text
    assert shown(page) == [1]


def test_a_place_survives_being_written() -> None:
    for place in ((NOON + 0.1 + 0.2, 17), (0.0, 0)):
        assert read_cursor(written_cursor(place)) == place
    for junk in ("", "x", "1_", "nan_1", "inf_1", "1_-1", f"1_{2**63}", "1" * 1000):
        assert read_cursor(junk) is None


def test_a_search_survives_its_own_link() -> None:
    query = {"q": "a & b", "field": "ani", "warning": "silent", "from": "2023-01-02", "to": "2023-02-03"}
    search = read_search(query, [])
    assert search.link(None, ()) == ("/recordings?q=a+%26+b&field=ani&warning=silent&from=2023-01-02&to=2023-02-03")
    assert Search().link(None, ()) == "/recordings"


async def test_calls_show_what_was_not_recorded_and_why(world: World, admin: httpx.AsyncClient) -> None:
    await world.add_call(1)
    await world.add_failed_call(2)
    await world.add_failed_call(3, "no_session")
    page = (await admin.get("/calls")).text
    assert re.search(r"All <b>3</b>", page)
    assert re.search(r"Failed <b>2</b>", page)
    page = (await admin.get("/calls?verdict=failed")).text
    assert "not one packet of sound came" in page
    assert "/calls/1" not in page
    page = (await admin.get("/calls/1")).text
    assert shown(page) == [1]
    page = (await admin.get("/calls/2")).text
    assert "0800123" in page


async def test_the_list_of_calls_goes_on(world: World, admin: httpx.AsyncClient) -> None:
    for number in range(ROWS + 3):
        await world.add_failed_call(number)
    page = (await admin.get("/calls?verdict=failed")).text
    assert page.count('title="Open call') == ROWS
    assert (await admin.get(link(page, "next"))).text.count('title="Open call') == 3


@pytest.mark.parametrize(
    "path", ["/MediaPlayer/ExternalCallListPlayer/1/false", "/mediaplayer/externalcalllistplayer/1/TRUE"]
)
async def test_the_legacy_player_path_leads_to_the_player(world: World, admin: httpx.AsyncClient, path: str) -> None:
    await world.add_call(1)
    answer = await admin.get(path)
    assert (answer.status_code, answer.headers["location"]) == (302, "/recordings/1")


async def test_metrics_are_for_this_machine_and_for_who_is_logged_in(world: World, admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/metrics")).headers["content-type"].startswith("text/plain")
    for peer, status in (("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 401)):
        transport = httpx.ASGITransport(world.app(), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://recorder") as client:
            assert (await client.get("/metrics")).status_code == status
