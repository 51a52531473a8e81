"""The evidence packs of a workspace: built, kept below `reports/evidence/`, listed, and recorded in the audit log."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.domains.narrative import QuotedCells
from core.errors import NotFoundError
from core.escape import shown
from core.evidence.bill import bill_of_version
from core.evidence.denied import without_denied_columns
from core.evidence.drafts import DATABASE
from core.evidence.log_proof import close, require_sound_log
from core.evidence.pack import EvidencePack, PackKind, PackManifest
from core.evidence.page import page_of
from core.evidence.pdf import has_pdf_extra, pdf_of, require_pdf_extra
from core.evidence.provenance import provenance_of
from core.evidence.recorded_version import encoded_record
from core.evidence.sections import sections_of
from core.evidence.signing import (
    BILL,
    DATA,
    MANIFEST,
    PAGE,
    PRINT,
    PROVENANCE,
    SIGNATURE,
    encoded_manifest,
    encoded_pack,
    signed_folder,
    signed_manifest,
)
from core.evidence.subject import (
    Period,
    Subject,
    add_drafts,
    model_subject,
    rollout_subject,
    session_subject,
    stress_subject,
    version_subject,
)
from core.explain.deny_list import DenyList
from core.files import access_error, digest, make_folder, new_folder, remove_tree, write_file, write_folder
from core.governance.audit import audited, require_access
from core.governance.keys import AuditKeys
from core.governance.record import Evidence
from core.installed_packages import own_release
from core.json_documents import decode_json
from core.plain_files import open_regular
from core.progress import begins
from core.registry.errors import HashMismatchError
from core.state.workspace import Workspace

if TYPE_CHECKING:
    from core.state import Documents

T = TypeVar("T")

TABLE: Final = "packs"
FOLDER: Final = "evidence"  # below reports/; no session can have this name
NOTICE: Final = (
    "This pack gathers what a workspace has recorded. It supports a file and is no opinion on compliance. Figures on "
    "synthetic data cannot by themselves evidence performance on real portfolios."
)


class KeptPack(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one pack."""

    pack_id: str  # "ev-0001"
    kind: PackKind
    subject: str
    title: str
    built_at: datetime
    built_by: str
    folder: str  # relative to the workspace
    manifest_sha256: str
    audit_sequence: int
    n_sources: int
    n_missing: int
    revision: int = 0


class EvidencePacks:
    """The packs of one workspace.

    Every builder takes `pdf`: whether the pack gets a PDF, too. By default it does where the extra `pdf` is installed.
    It also takes `drafts`: the ids of drafted narratives for the annex, beside those that versions of the pack wrote.
    """

    def __init__(self, workspace: Workspace, *, clock: Clock = utc_now) -> None:
        """Open them.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[KeptPack]":
        return self._workspace.database(DATABASE).documents(TABLE, KeptPack, key="pack_id")

    def all(self) -> list[KeptPack]:
        """Return every pack, the newest first."""
        return sorted(self._documents.all(), key=lambda each: _number(each.pack_id), reverse=True)

    def get(self, pack_id: str) -> KeptPack:
        """Return the record of a pack.

        Raises:
            DocumentNotFoundError: There is none of this id.
        """
        return self._documents.get(pack_id)

    def folder_of(self, pack: KeptPack) -> Path:
        """Return the folder of a pack."""
        return self._workspace.root / pack.folder

    @property
    def public_key_file(self) -> Path:
        """The public half of the key that signs the packs."""
        return self._workspace.keys_dir / "audit-signing.pub"

    def read(self, pack_id: str) -> EvidencePack:
        """Return a pack as it was built.

        Raises:
            DocumentNotFoundError: There is none of this id.
            NotFoundError: Its files are gone, or are not what was built.
        """
        return self._decoded(pack_id, DATA, EvidencePack)

    def manifest(self, pack_id: str) -> PackManifest:
        """Return the signed manifest of a pack; raises as `read` does."""
        return self._decoded(pack_id, MANIFEST, PackManifest)

    def page(self, pack_id: str) -> bytes:
        """Return the page of a pack; raises as `read` does."""
        return self._content(pack_id, PAGE)

    def pdf(self, pack_id: str) -> bytes:
        """Return the PDF of a pack; raises as `read` does, also where it was built without one."""
        if PRINT not in self.manifest(pack_id).files:
            raise NotFoundError(
                f"{pack_id} was built without a PDF; bondx evidence build --pdf builds a pack with one."
            )
        return self._content(pack_id, PRINT)

    def files_of(self, pack: KeptPack) -> list[Path]:
        """Return the files of a pack that people read: its page and, where it has one, its PDF."""
        folder = self.folder_of(pack)
        try:
            names = {PAGE, *self.manifest(pack.pack_id).files}
        except NotFoundError:  # what cannot be read lists nothing
            names = {PAGE}
        return [folder / name for name in (PAGE, PRINT) if name in names and (folder / name).exists()]

    def _decoded(self, pack_id: str, name: str, kind: type[T]) -> T:
        try:
            return decode_json(self._content(pack_id, name), type=kind)
        except msgspec.DecodeError as error:
            raise NotFoundError(
                f"{name} of {pack_id} was edited, or is of another release: {shown(str(error))}."
            ) from None

    def _content(self, pack_id: str, name: str) -> bytes:
        place = self.folder_of(self.get(pack_id)) / name
        try:
            with open_regular(place) as file:
                return file.read()
        except OSError as error:
            raise NotFoundError(f"{place} cannot be read: {error.strerror or error}.") from None

    def of_version(
        self,
        model: str,
        version: str,
        *,
        actor: Actor,
        reason: str = "",
        pdf: bool | None = None,
        drafts: Sequence[str] = (),
    ) -> KeptPack:
        """Build a pack about a version; raises as `version_subject` and `UnprovenLogError` do."""
        return self._build(lambda: version_subject(self._workspace, model, version), actor, reason, pdf, drafts)

    def of_session(
        self, session_id: str, *, actor: Actor, reason: str = "", pdf: bool | None = None, drafts: Sequence[str] = ()
    ) -> KeptPack:
        """Build a pack about a session; raises as `session_subject` and `UnprovenLogError` do."""
        return self._build(lambda: session_subject(self._workspace, session_id), actor, reason, pdf, drafts)

    def of_rollout(
        self, rollout_id: str, *, actor: Actor, reason: str = "", pdf: bool | None = None, drafts: Sequence[str] = ()
    ) -> KeptPack:
        """Build a pack about a rollout; raises as `rollout_subject` and `UnprovenLogError` do."""
        return self._build(lambda: rollout_subject(self._workspace, rollout_id), actor, reason, pdf, drafts)

    def of_stress_test(
        self, test_id: str, *, actor: Actor, reason: str = "", pdf: bool | None = None, drafts: Sequence[str] = ()
    ) -> KeptPack:
        """Build a pack about a stress test; raises as `stress_subject` and `UnprovenLogError` do."""
        return self._build(lambda: stress_subject(self._workspace, test_id), actor, reason, pdf, drafts)

    def of_model(
        self,
        model: str,
        since: datetime,
        until: datetime,
        *,
        actor: Actor,
        reason: str = "",
        pdf: bool | None = None,
        drafts: Sequence[str] = (),
    ) -> KeptPack:
        """Build a pack about a model in a period; raises as `model_subject` and `UnprovenLogError` do."""
        return self._build(
            lambda: model_subject(self._workspace, model, Period(since, until)), actor, reason, pdf, drafts
        )

    def _build(
        self, gather: Callable[[], Subject], actor: Actor, reason: str, pdf: bool | None, drafts: Sequence[str]
    ) -> KeptPack:
        if pdf:
            require_pdf_extra()
        with_pdf = has_pdf_extra() if pdf is None else pdf
        require_access(self._workspace, actor, "evidence.build", clock=self._clock)
        begins("verifying the audit log")
        require_sound_log(self._workspace)
        begins("gathering what is recorded")
        subject = gather()
        add_drafts(self._workspace, subject, drafts)
        subject.denied = DenyList.in_force(self._workspace.root)
        # A document that names a personal column may quote its values, too: it is cited by its hash alone.
        cells = DenyList.of_cells_in_force(self._workspace.root)
        subject.quoting = QuotedCells.in_force(self._workspace.root)
        written = sections_of(subject)
        # So is a draft whose words may quote one: they need not name the column.
        withheld = {recorded.source for recorded, draft, _ in subject.drafts if draft.is_withheld(subject.quoting)}
        sections, shown = without_denied_columns(
            written, subject.book.sources, subject.denied, cells, withheld=withheld
        )
        files = self._attached(subject)
        begins("proving the records")
        sources, proof = close(self._workspace, shown)
        pack_id, folder = self._claimed()
        try:
            pack = EvidencePack(
                pack_id=pack_id,
                kind=subject.kind,
                subject=subject.name,
                title=subject.title,
                built_at=self._clock(),
                built_by=str(actor),
                workspace=str(self._workspace.root),
                host=Actor.engine().host,
                release=own_release(),
                notice=NOTICE,
                sections=sections,
                sources=tuple(sources),
                proof=proof,
            )
            manifest = self._write(folder, pack, files, with_pdf)
            return self._recorded(pack, folder, manifest, actor, reason)
        except BaseException:
            remove_tree(folder, root=self._workspace.root)
            raise

    def _attached(self, subject: Subject) -> dict[str, bytes]:
        """Return the bill and the provenance of the version that a pack is about; none if its files are changed."""
        if subject.kind is not PackKind.VERSION or subject.version is None:
            return {}
        named = self._workspace, subject.model, str(subject.version.document["version"])
        AuditKeys(self._workspace.keys_dir).public_key()  # the key that signs the pack is made on first use
        try:
            return {
                BILL: encoded_record(bill_of_version(*named)),
                PROVENANCE: encoded_record(provenance_of(*named)),
            }
        except HashMismatchError:  # the pack says that its manifest cannot be read
            return {}

    def _write(self, folder: Path, pack: EvidencePack, more: dict[str, bytes], with_pdf: bool) -> bytes:
        files = {DATA: encoded_pack(pack), PAGE: page_of(pack), **more}
        if with_pdf:
            begins("setting the PDF")
            files[PRINT] = pdf_of(pack)
        signed = signed_manifest(self._workspace, pack, files)
        manifest = encoded_manifest(signed)
        signature = signed_folder(self._workspace, signed, manifest)

        def fill(unfinished: Path) -> None:
            for name, content in {**files, MANIFEST: manifest, SIGNATURE: signature}.items():
                write_file(unfinished / name, content, durable=False)

        write_folder(folder, fill)
        return manifest

    def _recorded(self, pack: EvidencePack, folder: Path, manifest: bytes, actor: Actor, reason: str) -> KeptPack:
        path = folder.relative_to(self._workspace.root).as_posix()
        kept = KeptPack(
            pack_id=pack.pack_id,
            kind=pack.kind,
            subject=pack.subject,
            title=pack.title,
            built_at=pack.built_at,
            built_by=pack.built_by,
            folder=path,
            manifest_sha256=digest(manifest),
            audit_sequence=pack.proof.sequence,
            n_sources=len(pack.sources),
            n_missing=pack.n_missing,
        )
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            stored = self._documents.insert(kept)
            change.record(
                "evidence.build",
                pack.pack_id,
                after={"subject": pack.subject, "record": pack.proof.sequence, "root": pack.proof.root},
                evidence=[Evidence(f"{path}/{MANIFEST}", kept.manifest_sha256)],
            )
        return stored

    def _claimed(self) -> tuple[str, Path]:
        """Take the next id by making its folder, so that two builders never have the same."""
        above = self._workspace.reports_dir / FOLDER
        taken = [_number(each.pack_id) for each in self.all()]
        number = max(taken, default=0) + 1
        try:
            make_folder(above)
            while True:
                try:
                    new_folder(above / f"ev-{number:04d}")
                except FileExistsError:
                    number += 1
                else:
                    return f"ev-{number:04d}", above / f"ev-{number:04d}"
        except OSError as error:
            raise access_error(above, "write", error) from error


def _number(pack_id: str) -> int:
    return int(pack_id.removeprefix("ev-"))
