"""API tokens at the gate and on their page; the account; sessions that end; what the audit trail says of all that."""

import json
import re

import httpx
import pytest
from tests.web.test_web_login import attempt
from tests.web.world import NOON, PASSWORD, World

from earshot.actor import SYSTEM
from earshot.api.permissions import API_TOKENS, EXPORT, OWN_RECORDINGS, PLAYBACK, SEARCH, SYSTEM_STATUS
from earshot.api.tokens import PREFIX, scopes_named
from earshot.errors import BadInput
from earshot.ports.audit import AuditEntry, AuditFilter
from earshot.web.gate import COOKIE
from earshot.web.logins import (
    FREE_GUESSES,
    FREE_GUESSES_OF_ADDRESS,
    Logins,
    LoginSettings,
    began_at,
    fingerprint,
    weakness,
)
from earshot.web.passwords import PasswordChecker

NEW = "a longer battery staple"


async def token(world: World, *scopes: str, user_id: int = 1, days: float = 30) -> dict[str, str]:
    """The header of a new token."""
    named = scopes_named(list(scopes))
    _, secret = await world.tokens.create(SYSTEM, user_id, "nightly", named, days)
    return {"authorization": f"Bearer {secret}", "accept": "*/*"}


class TestBearers:
    async def test_a_token_opens_what_its_scopes_say(self, world: World, stranger: httpx.AsyncClient) -> None:
        await world.add_call(1)
        header = await token(world, PLAYBACK)
        assert (await stranger.get("/recordings/1/audio.wav", headers=header)).status_code == 200
        assert (await stranger.get("/recordings/1/peaks.json", headers=header)).status_code == 200
        refused = await stranger.get("/recordings/1/audio.wav?download=1", headers=header)
        assert (refused.status_code, refused.json()) == (403, {"error": f"needs the permission {EXPORT}"})
        assert (await stranger.get("/metrics", headers=header)).status_code == 403
        assert await world.acts() == [
            ("earshot", "created token", "token 1"),
            ("admin/nightly", "listened", "recording 1"),
        ]

    async def test_pages_for_people_are_not_for_programs(self, world: World, stranger: httpx.AsyncClient) -> None:
        header = await token(world, "all")
        for path in ("/", "/recordings", "/calls", "/account", "/tokens", "/audit"):
            assert (await stranger.get(path, headers=header)).status_code == 403, path
        made = await stranger.post("/tokens", data={"name": "x", "days": "0", "scope-all": "1"}, headers=header)
        assert made.status_code == 403, "a token makes no tokens"
        assert (await stranger.get("/metrics", headers=header)).status_code == 200

    async def test_a_token_is_never_more_than_its_user(self, world: World, stranger: httpx.AsyncClient) -> None:
        await world.add_call(1, agent_id=1)
        mine = await world.add_call(2, agent_id=2)
        header = await token(world, "all", user_id=2)
        assert (await stranger.get(f"/recordings/{mine}/audio.wav", headers=header)).status_code == 403
        await world.role(2, PLAYBACK, OWN_RECORDINGS)
        assert (await stranger.get(f"/recordings/{mine}/audio.wav", headers=header)).status_code == 200
        assert (await stranger.get("/recordings/1/audio.wav", headers=header)).status_code == 404
        await world.store.modify_user(2, {"active": False})
        assert (await stranger.get(f"/recordings/{mine}/audio.wav", headers=header)).status_code == 401

    async def test_no_origin_is_asked_of_a_token_but_of_a_cookie(self, world: World, admin: httpx.AsyncClient) -> None:
        evil = {"origin": "http://evil"}
        assert (await admin.post("/tokens/1/revoke", headers=evil)).status_code == 403
        header = await token(world, SYSTEM_STATUS) | evil
        assert (await admin.post("/metrics", headers=header)).status_code == 405, "the way to the route is free"

    async def test_it_ends_when_revoked_and_when_its_time_is_over(
        self, world: World, stranger: httpx.AsyncClient
    ) -> None:
        header, other = await token(world, SYSTEM_STATUS, days=1), await token(world, SYSTEM_STATUS, days=2)
        assert (await stranger.get("/metrics", headers=header)).status_code == 200
        world.clock.advance(86_400)
        gone = await stranger.get("/metrics", headers=header)
        assert (gone.status_code, gone.headers["www-authenticate"]) == (401, "Bearer")
        assert (await stranger.get("/metrics", headers=other)).status_code == 200
        assert await world.tokens.revoke(SYSTEM, 2)
        assert (await stranger.get("/metrics", headers=other)).status_code == 401

    async def test_its_last_use_is_remembered(self, world: World, stranger: httpx.AsyncClient) -> None:
        header = await token(world, SYSTEM_STATUS)
        world.clock.advance(100)
        await stranger.get("/metrics", headers=header)
        world.clock.advance(10)
        await stranger.get("/metrics", headers=header)
        assert [one.used_at for one in await world.tokens.listed()] == [NOON + 100]

    async def test_guessing_is_slowed_down_and_does_not_lock_out_who_knows(
        self, world: World, stranger: httpx.AsyncClient
    ) -> None:
        good = await token(world, SYSTEM_STATUS)
        late = await token(world, SYSTEM_STATUS)
        await stranger.get("/metrics", headers=good)
        wrong = {"authorization": f"Bearer {PREFIX}guess"}
        answers = [await stranger.get("/metrics", headers=wrong) for _ in range(FREE_GUESSES_OF_ADDRESS + 1)]
        assert [one.status_code for one in answers] == [401] * FREE_GUESSES_OF_ADDRESS + [429]
        assert answers[-1].headers["retry-after"] == "2"
        assert (await stranger.get("/metrics", headers=late)).status_code == 429
        assert (await stranger.get("/metrics", headers=good)).status_code == 200
        world.clock.advance(3)
        assert (await stranger.get("/metrics", headers=late)).status_code == 200
        acts = [act for _, act, _ in await world.acts()]
        assert acts.count("failed token") == FREE_GUESSES_OF_ADDRESS and acts[-1] == "locked out"

    @pytest.mark.parametrize("header", ["Basic est_x", "Bearer something", "est_x", "Bearer"])
    async def test_other_headers_are_none_of_ours(self, stranger: httpx.AsyncClient, header: str) -> None:
        answer = await stranger.get("/calls", headers={"authorization": header})
        assert answer.status_code == 303

    async def test_a_lost_database_is_no_wrong_token(self, world: World, stranger: httpx.AsyncClient) -> None:
        header = await token(world, SYSTEM_STATUS)
        world.store.unavailable = True
        assert (await stranger.get("/metrics", headers=header)).status_code == 503

    def test_scopes_are_of_the_catalogue(self) -> None:
        assert scopes_named(["Allow Recording Export", "recordingsearch"]) == frozenset({EXPORT, SEARCH})
        assert scopes_named(["ALL", SEARCH]) is None
        for wrong in ([], [" "], ["nonsense"]):
            with pytest.raises(BadInput):
                scopes_named(wrong)


class TestTokenPage:
    async def test_it_is_seen_once(self, world: World, admin: httpx.AsyncClient) -> None:
        form = {"name": "nightly <b>", "days": "30", f"scope-{SYSTEM_STATUS}": "1"}
        made = await admin.post("/tokens", data=form)
        secret = re.search(r'id="secret"[^>]*>(est_[\w-]+)<', made.text)
        assert made.status_code == 201 and secret is not None
        assert "nightly &lt;b&gt;" in made.text and "<b>”" not in made.text
        header = {"authorization": f"Bearer {secret[1]}"}
        again = await admin.get("/tokens")
        assert secret[1] not in again.text and "Allow Viewing of System Status" in again.text
        assert (await admin.get("/metrics", headers=header)).status_code == 200
        assert (await admin.post("/tokens/1/revoke")).headers["location"] == "/tokens"
        assert (await admin.get("/metrics", headers=header)).status_code == 401
        assert "Revoked" in (await admin.get("/tokens")).text
        assert [act for _, act, _ in await world.acts()][:2] == ["created token", "revoked token"]
        trail = await world.trail.entries(AuditFilter(), 10)
        assert secret[1] not in repr(trail)

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"name": "", "days": "1", "scope-all": "1"}, "1 to 80 characters"),
            ({"name": "a", "days": "1"}, "at least one permission"),
            ({"name": "a", "days": "x", "scope-all": "1"}, "how many days"),
            ({"name": "a", "days": "99999", "scope-all": "1"}, "3650 days"),
            ({"name": "a", "days": "1", "scope-nonsense": "1"}, "no permission nonsense"),
        ],
    )
    async def test_what_will_not_do_is_said(
        self, world: World, admin: httpx.AsyncClient, form: dict[str, str], words: str
    ) -> None:
        answer = await admin.post("/tokens", data=form)
        assert answer.status_code == 400 and words in answer.text
        assert await world.tokens.listed() == []

    async def test_nobody_gives_what_they_have_not(self, world: World, stranger: httpx.AsyncClient) -> None:
        await world.role(2, API_TOKENS, SEARCH)
        await attempt(stranger, "agent", PASSWORD)
        page = (await stranger.get("/tokens")).text
        assert f"scope-{SEARCH}" in page and f"scope-{EXPORT}" not in page
        refused = await stranger.post("/tokens", data={"name": "a", "days": "1", f"scope-{EXPORT}": "1"})
        assert refused.status_code == 400 and "You may not do that yourself" in refused.text
        assert (await stranger.post("/tokens", data={"name": "a", "days": "1", "scope-all": "1"})).status_code == 201

    async def test_others_tokens_are_for_who_administers_users(self, world: World, stranger: httpx.AsyncClient) -> None:
        await token(world, "all")
        await world.role(2, API_TOKENS)
        await attempt(stranger, "agent", PASSWORD)
        assert "nightly" not in (await stranger.get("/tokens")).text
        await stranger.post("/tokens/1/revoke")
        (still,) = await world.tokens.listed()
        assert not still.revoked_at


class TestAccount:
    def form(self, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> dict[str, str]:
        return {"old": old, "new": new, "again": again}

    async def test_a_new_password_ends_every_other_login(self, world: World, admin: httpx.AsyncClient) -> None:
        await world.store.add_login(fingerprint("elsewhere"), 1, world.clock.now() + 999)
        answer = await admin.post("/account", data=self.form())
        assert (answer.status_code, answer.headers["location"]) == (303, "/account?changed=1")
        admin.cookies.clear()
        admin.cookies.set(COOKIE, answer.cookies[COOKIE])
        assert "The password is changed" in (await admin.get("/account?changed=1")).text
        for old in ("elsewhere", "the-session-token-of-the-administrator"):
            assert await world.logins.user_of(old) is None
        admin.cookies.clear()
        assert (await attempt(admin, "admin", PASSWORD)).status_code == 401
        assert (await attempt(admin, "admin", NEW)).status_code == 303
        assert ("admin", "changed password", "user admin") in await world.acts()

    @pytest.mark.parametrize(
        ("change", "status", "words"),
        [
            ({"old": "wrong"}, 403, "old password is not right"),
            ({"again": "different one"}, 400, "repetition differ"),
            ({"new": "short", "again": "short"}, 400, "at least 10 characters"),
            ({"new": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, 400, "too easy"),
        ],
    )
    async def test_what_will_not_do_changes_nothing(
        self, world: World, admin: httpx.AsyncClient, change: dict[str, str], status: int, words: str
    ) -> None:
        answer = await admin.post("/account", data=self.form(**change))
        assert answer.status_code == status and words in answer.text
        assert change.get("old", PASSWORD) not in answer.text
        assert (await admin.get("/calls")).status_code == 200
        assert "changed password" not in [act for _, act, _ in await world.acts()]

    async def test_guessing_the_old_password_is_slowed_down(self, world: World, admin: httpx.AsyncClient) -> None:
        for _ in range(FREE_GUESSES):
            assert (await admin.post("/account", data=self.form(old="wrong"))).status_code == 403
        assert (await admin.post("/account", data=self.form())).status_code == 429

    async def test_a_form_on_another_site_changes_no_password(self, admin: httpx.AsyncClient) -> None:
        answer = await admin.post("/account", data=self.form(), headers={"origin": "http://evil"})
        assert answer.status_code == 403

    async def test_roles_decide_who_changes_passwords(self, world: World, stranger: httpx.AsyncClient) -> None:
        await attempt(stranger, "agent", PASSWORD)
        assert "Your roles do not let you" in (await stranger.get("/account")).text
        assert (await stranger.post("/account", data=self.form())).status_code == 403

    def test_weak_passwords(self) -> None:
        assert weakness("Administrator", "administrator")
        assert weakness("x" * 1025, "a")
        assert not weakness(NEW, "admin")


class TestSessions:
    @pytest.fixture
    async def lasting(self, world: World) -> World:
        settings = LoginSettings(longest_s=10_000, idle_s=1_000, renew_s=60)
        world.logins = Logins(world.store, world.clock, PasswordChecker(), audit=world.audit, settings=settings)
        return world

    async def test_used_it_lasts_idle_it_ends_and_never_longer_than_allowed(self, lasting: World) -> None:
        token = await lasting.logins.sign_in("admin", PASSWORD, "192.0.2.7")
        assert began_at(token) == NOON
        for _ in range(11):
            lasting.clock.advance(900)
            assert await lasting.logins.user_of(token) is not None
        lasting.clock.advance(150)
        assert await lasting.logins.user_of(token) is None, "10,000 seconds are over"
        token = await lasting.logins.sign_in("admin", PASSWORD, "192.0.2.7")
        lasting.clock.advance(1_001)
        assert await lasting.logins.user_of(token) is None, "nobody used it"

    async def test_a_token_with_another_beginning_is_another_token(self, lasting: World) -> None:
        token = await lasting.logins.sign_in("admin", PASSWORD, "192.0.2.7")
        secret, _, _ = token.rpartition(".")
        assert await lasting.logins.user_of(f"{secret}.{int(NOON) + 5000:x}") is None

    async def test_an_ended_login_is_not_renewed(self, lasting: World) -> None:
        token = await lasting.logins.sign_in("admin", PASSWORD, "192.0.2.7")
        await lasting.store.end_login(fingerprint(token))
        await lasting.store.extend_login(fingerprint(token), lasting.clock.now() + 9_999)
        assert await lasting.logins.user_of(token) is None

    def test_junk_has_no_beginning(self) -> None:
        assert began_at("abc") is None
        assert began_at("abc.xyz") is None


class TestTrailOfLogins:
    async def test_who_came_and_who_did_not(self, world: World, stranger: httpx.AsyncClient) -> None:
        await attempt(stranger, "ADMIN", PASSWORD)
        await stranger.post("/logout")
        for _ in range(FREE_GUESSES + 1):
            await attempt(stranger, "admin", "wrong")
        await attempt(stranger, "my password by mistake", "x")
        entries = list(reversed(await world.trail.entries(AuditFilter(), 100)))
        assert [(one.actor, one.act) for one in entries] == [
            ("admin", "logged in"),
            ("admin", "logged out"),
            *[("admin", "failed login")] * FREE_GUESSES,
            ("admin", "locked out"),
            ("unknown", "failed login"),
        ]
        assert {one.address for one in entries} == {"192.0.2.7"}
        assert "mistake" not in repr(entries)

    async def test_who_cannot_be_noted_is_not_let_in(self, world: World, stranger: httpx.AsyncClient) -> None:
        world.trail.unavailable = True
        answer = await attempt(stranger, "admin", PASSWORD)
        assert answer.status_code == 503 and "set-cookie" not in answer.headers


class TestAuditPages:
    async def fill(self, world: World, count: int = 5) -> None:
        await world.trail.append(
            [
                AuditEntry(
                    at=NOON + n,
                    kind="person",
                    actor="sally" if n % 2 else "=cmd|'/c calc'!A0",
                    act="exported",
                    subject=f"recording {n}",
                    details={"format": "<script>alert('x')</script>"},
                )
                for n in range(count)
            ]
        )

    async def test_search_and_pages(self, world: World, admin: httpx.AsyncClient) -> None:
        await self.fill(world, 120)
        page = (await admin.get("/audit?actor=sally")).text
        assert page.count("<td>exported</td>") == 50 and 'href="/recordings/119"' in page
        assert "<script>alert" not in page
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        assert onward is not None
        second = (await admin.get(onward[1].replace("&amp;", "&"))).text
        assert second.count("<td>exported</td>") == 10 and "« Newest" in second
        for query, rows in (
            ("subject=recording+7", 1),
            ("subject=recording+11*", 11),
            ("act=mailed", 0),
            ("from=2023-11-15T12:01&to=2023-11-15T12:01", 50),
            ("from=2023-11-15T12:00:10&to=2023-11-15T12:00:10", 1),
            ("from=nonsense&to=2023-11-15T11:00", 0),
        ):
            assert (await admin.get(f"/audit?{query}")).text.count("<td>exported</td>") == rows, query

    async def test_csv_has_no_formulas(self, world: World, admin: httpx.AsyncClient) -> None:
        await self.fill(world)
        answer = await admin.get("/audit.csv?act=exported")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
        lines = answer.text.split("\r\n")
        assert lines[0].startswith("number,at,kind,actor") and len(lines) == 8
        assert ",'=cmd|" in answer.text and ",=cmd" not in answer.text
        assert ("admin", "exported", "audit trail") in await world.acts()

    async def test_json_streams_everything(self, world: World, admin: httpx.AsyncClient) -> None:
        assert (await admin.get("/audit.json?act=nothing")).json() == []
        await self.fill(world, 1_200)
        found = json.loads((await admin.get("/audit.json?subject=recording+*")).content)
        assert [one["subject"] for one in found] == [f"recording {n}" for n in reversed(range(1_200))]
        assert found[-1]["at"] == "2023-11-15T12:00:00.000Z"
