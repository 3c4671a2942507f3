"""Exporting a recording as a vCon: the media read, the call looked up, the proof added, the act noted.

The one rule: it is noted in the audit trail before anything is given out.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.api.hearing import heard, hidden_spans, may_hear, shown_to, sound_of
from earshot.api.vcon import Conversation, Media, signed, vcon
from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.ports import FinishedCall, RecordingRow, Storage, Store
from earshot.vault import VaultError

LARGEST_INLINE: Final = 64 << 20
"""A recording above this goes by link only, bytes."""

Signing = tuple[rsa.RSAPrivateKey, list[x509.Certificate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VconDesk:
    """Makes vCons. `public_url` is what links begin with, `domain` names this recorder in identifiers, `signing` gives
    the key with its certificates, `proof` the bundle of a recording where there is one."""

    store: Store
    storage: Storage
    audit: AuditTrail
    clock: Clock
    public_url: Callable[[], str]
    domain: str
    signing: Callable[[], Signing]
    proof: Callable[[int], Awaitable[Mapping[str, Any] | None]]

    async def export(self, actor: Actor, row: RecordingRow, *, link: bool, sign: bool) -> dict[str, Any]:
        """The vCon of a recording, with its sound or a link to it. Raises BadInput when the media is gone or too large,
        or there is no public URL to link to; StoreUnavailable, ConfigurationError."""
        if link and not self.public_url():
            raise BadInput("a link needs the setting public_url")
        if not link and row.sealed.audio_size > LARGEST_INLINE:
            raise BadInput(f"the media has more than {LARGEST_INLINE} bytes: ask for a link")
        media = await self._media(row, link=link, hears=may_hear(actor))
        row = shown_to(actor, row)
        told = Conversation(
            row=row,
            media=media,
            domain=self.domain,
            created_at=self.clock.now(),
            call=await self._call(row),
            proof=await self.proof(row.record_id),
        )
        document = vcon(told)
        form = {"form": "link" if link else "inline", "signed": "yes" if sign else ""}
        form |= heard(actor, row)
        await self.audit.note(actor, "exported", f"recording {row.record_id}", format="VCON", **form)
        if sign:
            key, chain = self.signing()
            return signed(document, key, chain)
        return document

    async def _media(self, row: RecordingRow, *, link: bool, hears: bool) -> Media:
        long, short, body = sha512(), sha256(), bytearray()
        try:
            async for chunk in sound_of(self.storage, row.sealed, hidden_spans(row.sealed, hears=hears)):
                long.update(chunk)
                short.update(chunk)
                if not link:
                    body += chunk
        except FileNotFoundError:
            raise BadInput("the sound of this recording is gone") from None
        except VaultError as why:
            raise BadInput(f"the sound of this recording cannot be read: {why}") from None
        url = f"{self.public_url()}/recordings/{row.record_id}/audio.wav?download=1"
        return Media(
            sha512=long.digest(),
            sha256=short.digest(),
            body=None if link else bytes(body),
            silent=hidden_spans(row.sealed, hears=hears),
            url=url if link else "",
        )

    async def _call(self, row: RecordingRow) -> FinishedCall | None:
        number = await self.store.call_number(row.sealed.call_key)
        return await self.store.call(number) if number is not None else None
