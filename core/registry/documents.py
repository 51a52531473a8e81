"""What the registry's database holds: models, their versions, and every move of a version between stages."""

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from core.quality.gate import GateResult
from core.registry.stages import Stage, TransitionVerb


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable artifact of a registered model, and its stage."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("lineage", "gates", "claim", "model_signature")
    ALIKE: ClassVar[tuple[str, ...]] = ("model", "created_by", "session_id", "bump", "checked", "updated_by")

    key: str  # "spread/1.4.0"
    model: str
    version: str
    stage: Stage
    stage_since: datetime
    created_at: datetime
    created_by: str
    authors: tuple[str, ...] = ()  # the persons who may be behind that; empty if the engine registered it
    run_id: str
    session_id: str
    description: str
    metrics: dict[str, float]
    lineage: dict[str, Any]  # data hashes, seeds, digest of the settings, parent version
    gates: tuple[GateResult, ...]  # the verdicts of the data it was trained on
    path: str  # below artifacts/
    manifest_sha256: str
    n_files: int
    n_bytes: int
    bump: str = ""  # which part of the number was raised, and why, if the registry decided it
    replaces: str = ""  # the version that was live when it was registered, else the newest: "spread/1.3.0"
    checked: str = ""  # what a trial at its registration found, or why there was none; empty for our own training
    claim: str = ""  # signed at its registration: that no gate failed; an envelope of DSSE
    model_signature: str = ""  # of its files, at its registration: ECDSA P-256 in DER, as base64
    tags: dict[str, str] = {}
    updated_at: datetime
    updated_by: str
    revision: int = 0


class ProductionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """Which version of a model is live, and which were before it."""

    production: str | None = None
    previous: tuple[str, ...] = ()  # newest last; a version that was rolled back is not among them

    def promoted(self, version: str) -> "ProductionStanding":
        """Return the standing with `version` live and the replaced version as the target of the next rollback.

        >>> ProductionStanding(production="1.0.0").promoted("1.1.0")
        ProductionStanding(production='1.1.0', previous=('1.0.0',))
        """
        previous = (*self.previous, self.production) if self.production else self.previous
        if previous and previous[-1] == version:  # live again after a successor was archived: no way back to itself
            previous = previous[:-1]
        return ProductionStanding(production=version, previous=previous)

    def rolled_back(self) -> "ProductionStanding":
        """Return the standing with the previous version live again and the rolled-back version forgotten."""
        return ProductionStanding(production=self.previous[-1], previous=self.previous[:-1])

    def retired(self) -> "ProductionStanding":
        """Return the standing with no live version."""
        return ProductionStanding(previous=self.previous)


class RegisteredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model and which of its versions is live.

    `revision` grows by one with each move of a version between stages, and with nothing else: a plan stays valid
    while the revision stays the same, however many versions are registered meanwhile.
    """

    model: str
    created_at: datetime
    updated_at: datetime
    updated_by: str
    production: str | None = None
    previous_production: tuple[str, ...] = ()  # newest last; the last one is the target of a rollback
    revision: int = 0

    @property
    def standing(self) -> ProductionStanding:
        """Which version is live, and which were before it."""
        return ProductionStanding(production=self.production, previous=self.previous_production)


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """One version leaving one stage for another."""

    version: str
    before: Stage
    after: Stage

    def __str__(self) -> str:
        return f"{self.version} from {self.before} to {self.after}"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One act of an operator on the stages of a model: who, when, why, from where, and on what evidence."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("gates",)
    ALIKE: ClassVar[tuple[str, ...]] = ("model", "by", "origin")
    MOST_HELD: ClassVar[int] = 1_000

    key: str  # "spread/7"
    model: str
    number: int  # the model's revision after it
    verb: TransitionVerb
    version: str
    from_stage: Stage
    to_stage: Stage
    changes: tuple[StageChange, ...]  # every move, `version` first
    replaced: str | None  # the version that left Production for it
    at: datetime
    by: str
    origin: str  # console, cli, api or engine
    reason: str
    gates: tuple[GateResult, ...]
    manifest_sha256: str
    undoes: int | None = None
    revision: int = 0

    def __str__(self) -> str:
        moved = " and ".join(map(str, self.changes))
        why = f' ("{self.reason}")' if self.reason else ""
        return f"{self.verb} by {self.by} at {self.at:%Y-%m-%d %H:%M} UTC moved {moved}{why}"


def transition_key(model: str, number: int) -> str:
    """Return the key of a model's transition by its number."""
    return f"{model}/{number}"


class PrunedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a version whose files are removed: its number is never reused."""

    key: str
    model: str
    version: str
    manifest_sha256: str
    created_at: datetime
    pruned_at: datetime
    pruned_by: str
    revision: int = 0


FORMER_KEYS = "former_keys"  # the table


class FormerModelKey(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a key that signed the files of versions until another took its place."""

    fingerprint: str  # the first digits of the SHA-256 of its public half
    until: datetime
    has_leaked: bool = False  # somebody else may have signed with it: its signatures count for nothing
    revision: int = 0


MADE_PROFILES = "made_profiles"  # the table
MADE_PROFILE_FOLDER = "profiles"  # below the folder of a model


class MadeProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The record of a profile that was made for a version."""

    key: str  # "spread/1.4.0", of the version
    model: str
    version: str
    sha256: str  # of the file
    n_bytes: int
    made_at: datetime
    made_by: str
    reason: str = ""
    data_sha256: str  # of the file that it was made from
    n_rows: int
    is_held_out: bool  # the version did not learn from these rows
    notes: tuple[str, ...] = ()  # about the rows, a sentence each
    is_unchecked: bool = False  # of held-out rows: whether the version learned from them is not known
    na: tuple[str, ...] = ()  # how the file was to be read, as a person said with --na and --read
    read: tuple[str, ...] = ()
    learned_counts: str = ""  # the hash of the counts of the rows that the version learned from
    learned_sha256: str = ""  # of held-out rows: of the file of which a profile of learned rows was made before
    revision: int = 0

    @property
    def learned_file(self) -> str:
        """The hash of the file that the version learned from, as far as the making of its profiles says so."""
        return self.learned_sha256 if self.is_held_out else self.data_sha256

    @property
    def path(self) -> str:
        """Where it lies, below `artifacts/`."""
        return f"{self.model}/{MADE_PROFILE_FOLDER}/{self.version}-{self.sha256}.json"
