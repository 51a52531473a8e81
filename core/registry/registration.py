"""How a version enters the registry: by registering a folder, or by a sweep that finds a lost folder."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from core.actor import Actor
from core.clock import Clock, to_iso
from core.files import InDoubtError, digest
from core.governance.audit import require_access
from core.governance.outbox import AuditedChange
from core.governance.record import Evidence
from core.plain_files import read_file
from core.quality.gate import GateResult
from core.registry.artifacts import ArtifactStore, StagedArtifact
from core.registry.card import CARD_NAME, RegistrationCard
from core.registry.changes import registry_change
from core.registry.claims import have_passed, signed_claim
from core.registry.contents import ENVIRONMENT_NAME, unreadable_file
from core.registry.documents import ModelVersion, RegisteredModel
from core.registry.errors import ArtifactRefusedError
from core.registry.file_signatures import registered_signature
from core.registry.language_models import require_kind, writes_texts
from core.registry.manifest import MANIFEST_NAME, check, read_manifest
from core.registry.numbering import FIRST_VERSION, NumberPart, SemanticVersion, checked_model_name, version_key
from core.registry.records import Records
from core.registry.stages import Stage
from core.registry.version_bump import Makeup, bump_record, part_to_raise
from core.settings.encryption import SealedKind
from core.settings.sealing import sealer_to_write
from core.state import Workspace
from core.state.brief import whole
from core.state.encoding import plain
from core.tracking.environment import software

Bump = NumberPart | Literal["auto"]
"""The part of the number to raise, or `auto` to let the registry judge what has changed."""

log = logging.getLogger(__name__)


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """The folders without a version that a sweep found."""

    adopted: tuple[str, ...] = ()  # "spread/1.4.0": complete folders whose record was missing
    left: tuple[str, ...] = ()  # folders that are not a complete artifact, left alone, each with the reason
    n_removed: int = 0  # unfinished copies of killed processes


class Registrar:
    """Registers folders, each as the next version of its model."""

    def __init__(self, workspace: Workspace, records: Records, store: ArtifactStore, clock: Clock) -> None:
        self._workspace = workspace
        self._records = records
        self._store = store
        self._clock = clock

    def register(
        self,
        card: RegistrationCard,
        source: Path,
        *,
        run_id: str,
        session_id: str,
        actor: Actor,
        bump: Bump,
        wanted: str | None,
        tags: Mapping[str, str],
        reason: str,
        read: Callable[[Path, str], str] | None = None,
    ) -> ModelVersion:
        """Copy a folder into the artifacts and record it; see `Registry.register`."""
        stage = Stage.DEVELOPMENT
        require_access(self._workspace, actor, "version.register", model=card.model, stage=stage, clock=self._clock)
        require_kind(self._records, card.model, writes_texts=writes_texts(card.lineage))
        self._store.clear_staging()
        sealer = sealer_to_write(self._workspace.root, SealedKind.ARTIFACTS)
        with self._store.staged(source, _additions(card)) as staged:
            if (twin := self._twin(card.model, staged.manifest_sha256, run_id)) is not None:
                return twin if twin.run_id else self._reclaim(twin, run_id, session_id, actor)
            if problem := unreadable_file(staged.folder):
                raise ArtifactRefusedError(f"{problem}.")
            checked = read(staged.folder, staged.manifest_sha256) if read is not None else ""
            number = ""
            if sealer is not None:
                self._store.seal(staged, sealer)
            try:
                with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
                    require_kind(self._records, card.model, writes_texts=writes_texts(card.lineage))
                    number, why = self._number(card, staged.folder, bump, wanted)
                    self._store.publish(staged, card.model, number)
                    version = self._insert(
                        card,
                        staged,
                        number,
                        actor,
                        run_id=run_id,
                        session_id=session_id,
                        bump=why,
                        tags=tags,
                        checked=checked,
                        claims=True,
                    )
                    _record(change, "version.register", version)
            except InDoubtError:
                raise  # the record exists; removing its files would make things worse
            except BaseException:
                if number and not staged.folder.exists():
                    self._store.withdraw(card.model, number)
                raise
            return version

    def sweep(self, actor: Actor) -> Sweep:
        """Account for every folder below `artifacts/`; see `Registry.sweep`."""
        n_removed = self._store.clear_staging()
        known, pruned = set(self._records.versions.all_keys()), set(self._records.pruned.all_keys())
        adopted, left = [], []
        for model, number in self._store.published():
            key = version_key(model, number)
            if key in known:
                continue
            if key in pruned:  # the process that pruned it was killed before it removed the files
                self._store.withdraw(model, number)
                n_removed += 1
                continue
            with self._store.claimed(model, number) as is_ours:
                problem = self._adopt(model, number, actor) if is_ours else ""
            if problem is None:
                adopted.append(key)
            elif problem:
                left.append(f"{key}: {problem}")
        return Sweep(adopted=tuple(adopted), left=tuple(left), n_removed=n_removed)

    def _adopt(self, model: str, number: str, actor: Actor) -> str | None:
        """Record a folder that has no version; return why not, empty if it has one by now."""
        folder = self._store.folder(model, number)
        try:
            sha256 = digest(read_file(folder / MANIFEST_NAME))
            if problems := check(folder, sha256):
                return "; ".join(problems[:3])
            manifest, card = read_manifest(folder), RegistrationCard.read(folder)
        except (OSError, msgspec.DecodeError) as error:
            return f"is not a complete artifact ({error})"
        if card.model != model:
            return f"is an artifact of {card.model}"
        if self._records.versions.find(version_key(model, number)) is not None:
            return ""
        staged = StagedArtifact(folder=folder, manifest=manifest, manifest_sha256=sha256)
        reason = "its folder was complete, but its record was missing"
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            version = self._insert(card, staged, number, actor, run_id="", session_id="")
            _record(change, "version.adopt", version)
        log.warning("adopted %s: %s", version.key, reason)
        return None

    def _insert(
        self,
        card: RegistrationCard,
        staged: StagedArtifact,
        number: str,
        actor: Actor,
        *,
        run_id: str,
        session_id: str,
        bump: str = "",
        tags: Mapping[str, str] | None = None,
        checked: str = "",
        claims: bool = False,
    ) -> ModelVersion:
        now, author = self._clock(), str(actor)
        if self._records.models.find(card.model) is None:
            model = RegisteredModel(model=card.model, created_at=now, updated_at=now, updated_by=author)
            self._records.models.insert(model)
        return self._records.versions.insert(
            ModelVersion(
                key=version_key(card.model, number),
                model=card.model,
                version=number,
                stage=Stage.DEVELOPMENT,
                stage_since=now,
                created_at=now,
                created_by=author,
                authors=tuple(sorted(actor.persons)),
                run_id=run_id,
                session_id=session_id,
                description=card.description,
                metrics=card.metrics,
                lineage=card.lineage,
                gates=card.gates,
                path=f"{card.model}/{number}",
                manifest_sha256=staged.manifest_sha256,
                n_files=len(staged.manifest.files),
                n_bytes=staged.manifest.n_bytes,
                bump=bump,
                replaces=self._replaced(card.model, number),
                checked=checked,
                claim=self._claim(card, staged, number, author, now) if claims else "",
                model_signature=registered_signature(self._workspace, version_key(card.model, number), staged),
                tags=dict(tags or {}),
                updated_at=now,
                updated_by=author,
            )
        )

    def _claim(self, card: RegistrationCard, staged: StagedArtifact, number: str, author: str, at: datetime) -> str:
        """Sign that the gates of a version passed; empty if one failed, or none judged."""
        if not have_passed(card.gates):
            return ""
        said = {"n_gates": len(card.gates), "registered_by": author, "at": to_iso(at)}
        key = version_key(card.model, number)
        return signed_claim(self._workspace, "gates_passed", key, staged.manifest_sha256, said)

    def _replaced(self, model: str, number: str) -> str:
        """Return the key of the version that a new version comes after: the live one, else the newest; or nothing.

        Decided as the version is recorded, not by its files: the same training has the same bytes whatever is live.
        """
        live = self._records.model(model).production
        earlier = [known for known in self._records.numbers_of(model) if known != number]
        before = [known for known in earlier if SemanticVersion.parse(known) < SemanticVersion.parse(number)]
        chosen = live or next(reversed(before), None)
        return version_key(model, chosen) if chosen else ""

    def _twin(self, model: str, manifest_sha256: str, run_id: str) -> ModelVersion | None:
        """Find the identical version that the same run registered before."""
        for version in self._records.versions_of(model) if run_id else ():
            same = version.manifest_sha256 == manifest_sha256
            # An adopted version has lost its run; only its own run can produce these bytes again.
            if same and version.run_id in ("", run_id):
                return whole(version)
        return None

    def _reclaim(self, adopted: ModelVersion, run_id: str, session_id: str, actor: Actor) -> ModelVersion:
        why = "its run produced it again"
        with registry_change(self._workspace, actor=actor, reason=why, clock=self._clock) as change:
            reclaimed = self._records.versions.replace(
                msgspec.structs.replace(
                    adopted, run_id=run_id, session_id=session_id, updated_at=self._clock(), updated_by=str(actor)
                )
            )
            change.record("version.reclaim", adopted.key, before=adopted, after=reclaimed)
            return reclaimed

    def _number(self, card: RegistrationCard, folder: Path, bump: Bump, wanted: str | None) -> tuple[str, str]:
        """Decide the number of a new version, and say why if the registry judged it."""
        # Folders count, too: the number of an artifact is never reused.
        recorded = self._records.numbers_of(card.model)
        recorded += [pruned.version for pruned in self._records.pruned.all() if pruned.model == card.model]
        taken = [SemanticVersion.parse(number) for number in recorded] + self._store.numbers(card.model)
        newest = max(taken, default=None)
        if wanted is not None:
            number = SemanticVersion.parse(wanted)
            if newest is not None and number <= newest:
                free = ", ".join(str(newest.bump(part)) for part in get_args(NumberPart))
                raise ArtifactRefusedError(
                    f"{wanted} does not come after {newest}, the newest number of {card.model}. Numbers only grow, so "
                    f"that the newest version is the one registered last: choose {free} or any higher number."
                )
            return str(number), ""
        if newest is None:
            return str(FIRST_VERSION), ""
        part, why = self._part(card, folder, bump)
        return str(newest.bump(part)), why

    def _part(self, card: RegistrationCard, folder: Path, bump: Bump) -> tuple[NumberPart, str]:
        """Decide which part of the number to raise, compared with the newest version."""
        if bump != "auto":
            return bump, ""
        number = next(reversed(self._records.numbers_of(card.model)), None)
        if number is None:
            return "minor", ""  # all versions were pruned
        newest = self._records.version(card.model, number)
        before = Makeup.of(self._store.folder(newest.model, newest.version), newest.lineage)
        part, why = part_to_raise(before, Makeup.of(folder, card.lineage))
        return part, bump_record(part, why, newest.version)


def card_of(
    model: str,
    *,
    metrics: Mapping[str, float],
    lineage: Mapping[str, Any],
    gates: Sequence[GateResult],
    description: str,
) -> RegistrationCard:
    """Make the registration card of a version.

    Raises:
        InvalidNameError: The model's name is not valid.
        UnstorableValueError: A metric is not finite, or the lineage cannot be stored as JSON.
    """
    checked_model_name(model)
    return RegistrationCard(
        model=model,
        description=description,
        metrics=plain({name: float(value) for name, value in metrics.items()}, f"The metrics of {model}"),
        lineage=plain(dict(lineage), f"The lineage of {model}"),
        gates=tuple(gates),
    )


def evidence(version: ModelVersion) -> Evidence:
    """Pin the files of a version for the audit log, all by the hash of their manifest."""
    return Evidence(path=f"artifacts/{version.path}/{MANIFEST_NAME}", sha256=version.manifest_sha256)


def _additions(card: RegistrationCard) -> dict[str, bytes]:
    environment = msgspec.json.encode(software(), order="deterministic")
    return {CARD_NAME: card.to_bytes(), ENVIRONMENT_NAME: msgspec.json.format(environment, indent=2) + b"\n"}


def _record(change: AuditedChange, verb: str, version: ModelVersion) -> None:
    recorded = ("stage", "run_id", "session_id", "metrics", "n_files", "n_bytes", "bump", "tags")
    after = {name: getattr(version, name) for name in (*recorded, *(("checked",) if version.checked else ()))}
    change.record(verb, version.key, after=after, evidence=[evidence(version)], stage=version.stage)
