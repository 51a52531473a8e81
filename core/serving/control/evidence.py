"""Evidence packs over HTTP."""

from datetime import date as day
from datetime import datetime
from typing import Annotated, TypedDict, TypeVar

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from core.actor import Actor
from core.clock import utc_now
from core.evidence import (
    EvidencePack,
    EvidencePacks,
    KeptPack,
    KeyRotation,
    NarrativeDrafts,
    PackKind,
    PackManifest,
    PackVerdict,
    RecordedDraft,
    SigningKey,
    ToldDraft,
    rotate_signing_key,
    signing_keys,
    verify_pack,
)
from core.serving.authenticator import Caller
from core.serving.control.admission import ADMINISTER, INSPECT, OPERATE, Given
from core.serving.control.given_rows import GivenRows
from core.serving.errors import BadRequestError
from core.state import Workspace
from core.text_limits import MAX_REASON

T = TypeVar("T")
_Name = Annotated[str, Meta(min_length=1, max_length=200)]


class NewPack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new pack."""

    kind: PackKind
    named: _Name | None = None  # the id of a session, a rollout or a stress test
    model: _Name | None = None  # of a version, or of a period
    version: _Name | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None  # of a period
    until: Annotated[datetime, Meta(tz=True)] | None = None  # by default now
    pdf: bool | None = None  # by default with one, if the extra is installed
    drafts: Annotated[tuple[_Name, ...], Meta(max_length=100)] = ()  # for the annex
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class NewDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a new draft: the rows of a report, and what is written about one of them."""

    rows: GivenRows
    domain: _Name | None = None  # by default the only one with narratives of reports
    book: _Name | None = None  # by default the only book
    date: day | None = None  # by default the last day of the book
    by: _Name | None = None  # a model of language that writes it; by default the program words it from the cells
    version: _Name | None = None  # by default the live one, else the newest
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    text: Annotated[str, Meta(min_length=1)] | None = None  # to be checked, in place of a draft
    changes: _Name | None = None  # the draft whose text it edits
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class NewSigningKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a rotation of the key."""

    leaked: bool = False
    former: Annotated[str, Meta(max_length=64)] = ""  # the fingerprint of a former key that leaked
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class _By(TypedDict):
    actor: Actor
    reason: str
    pdf: bool | None
    drafts: tuple[str, ...]


class EvidenceRoutes(Controller):
    """Evidence packs."""

    path = "/evidence"
    tags = ["evidence"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def list_packs(self, workspace: Given[Workspace]) -> list[KeptPack]:
        """List the packs of the workspace, the newest first."""
        return EvidencePacks(workspace).all()

    @get("/keys", opt=INSPECT, sync_to_thread=True)
    def list_keys(self, workspace: Given[Workspace]) -> list[SigningKey]:
        """List the keys that sign versions and packs for programs of others, the present one first."""
        return signing_keys(workspace)

    @post("/keys", opt=ADMINISTER, sync_to_thread=True)
    def rotate_key(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewSigningKey]
    ) -> KeyRotation:
        """Replace the key that signs versions and packs; if it leaked, every version is signed anew."""
        return rotate_signing_key(
            workspace, actor=caller.actor, has_leaked=data.leaked, former=data.former, reason=data.reason
        )

    @post("/", opt=OPERATE, sync_to_thread=True)
    def build_pack(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewPack]) -> KeptPack:
        """Gather what is recorded about a version, session, rollout, stress test or period, prove it and sign it."""
        packs = EvidencePacks(workspace)
        by = _By(actor=caller.actor, reason=data.reason, pdf=data.pdf, drafts=data.drafts)
        if data.kind is PackKind.VERSION:
            return packs.of_version(_given(data.model, "model"), _given(data.version, "version"), **by)
        if data.kind is PackKind.MODEL:
            since = _given(data.since, "since")
            return packs.of_model(_given(data.model, "model"), since, data.until or utc_now(), **by)
        named = _given(data.named, "named")
        if data.kind is PackKind.SESSION:
            return packs.of_session(named, **by)
        return packs.of_rollout(named, **by) if data.kind is PackKind.ROLLOUT else packs.of_stress_test(named, **by)

    @get("/drafts", opt=INSPECT, sync_to_thread=True)
    def list_drafts(self, workspace: Given[Workspace]) -> list[ToldDraft]:
        """List the recorded drafts of narratives, the newest first, with what has changed since."""
        return NarrativeDrafts(workspace).told()

    @post("/drafts", opt=OPERATE, sync_to_thread=True)
    def record_draft(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[NewDraft]
    ) -> RecordedDraft:
        """Draft the narrative of one of the given rows, or check a text about it, and record it for evidence packs."""
        from core.evidence.drafting import DraftWish, record_draft

        wish = DraftWish(
            domain=data.domain,
            book=data.book,
            date=None if data.date is None else data.date.isoformat(),
            by=data.by,
            version=data.version,
            seed=data.seed,
            text=data.text,
            changes=data.changes or "",
        )
        return record_draft(workspace, data.rows, wish, actor=caller.actor, reason=data.reason)

    @get("/{pack_id:str}", opt=INSPECT, sync_to_thread=True)
    def show_pack(self, workspace: Given[Workspace], pack_id: FromPath[str]) -> EvidencePack:
        """Return a whole pack: its sections, its sources with their content, and its proof."""
        return EvidencePacks(workspace).read(pack_id)

    @get("/{pack_id:str}/page", opt=INSPECT, media_type="text/html", sync_to_thread=True)
    def show_page(self, workspace: Given[Workspace], pack_id: FromPath[str]) -> Response[bytes]:
        """Return the page of a pack, as it was signed."""
        return Response(EvidencePacks(workspace).page(pack_id), media_type="text/html; charset=utf-8")

    @get("/{pack_id:str}/pdf", opt=INSPECT, media_type="application/pdf", sync_to_thread=True)
    def show_pdf(self, workspace: Given[Workspace], pack_id: FromPath[str]) -> Response[bytes]:
        """Return the PDF of a pack, as it was signed; 404 if it was built without one."""
        return Response(EvidencePacks(workspace).pdf(pack_id), media_type="application/pdf")

    @get("/{pack_id:str}/manifest", opt=INSPECT, sync_to_thread=True)
    def show_manifest(self, workspace: Given[Workspace], pack_id: FromPath[str]) -> PackManifest:
        """Return the signed manifest of a pack."""
        return EvidencePacks(workspace).manifest(pack_id)

    @get("/{pack_id:str}/verification", opt=INSPECT, sync_to_thread=True)
    def verify(self, workspace: Given[Workspace], pack_id: FromPath[str]) -> PackVerdict:
        """Check a pack with the public key of this workspace; an auditor uses the own copy of that key instead."""
        packs = EvidencePacks(workspace)
        return verify_pack(packs.folder_of(packs.get(pack_id)), packs.public_key_file)


def _given(value: T | None, field: str) -> T:
    """Return a field that this kind of pack needs.

    Raises:
        BadRequestError: It is missing.
    """
    if value is None:
        raise BadRequestError("is needed for this kind of pack", field=field)
    return value
