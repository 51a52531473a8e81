"""The versions that serving treats as live, with what watchers need to know of each."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from core.clock import Clock
from core.errors import CoreError
from core.monitoring.watch import LiveVersion
from core.plain_files import Signatures, signatures_of
from core.registry import ModelVersion, Registry
from core.registry.artifacts import ArtifactStore
from core.registry.contents import REPORT_NAME, importance_shares, parsed_object, prompt_documents
from core.registry.documents import MadeProfile
from core.registry.errors import ChangedFileError
from core.registry.language_models import is_language_model
from core.registry.made_profiles import OWN_NAME
from core.rollout.rollout_records import DATABASE
from core.rollout.routing import RoutingTable, routing_tables
from core.settings import PolicySource, SettingsError
from core.settings.policy import Policy
from core.state import Workspace

if TYPE_CHECKING:
    from core.monitoring.data_profile import DataProfile

log = logging.getLogger(__name__)


class LiveVersions:
    """Lists the live versions of a workspace; what a version learned from is read once."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        """Prepare; nothing is read yet."""
        self._workspace = workspace
        self._registry = Registry(workspace, clock=clock)
        self._artifacts = ArtifactStore(workspace.artifacts_dir)
        self._policy = PolicySource(workspace.root)
        self._known: dict[str, _Learned] = {}
        self._last: tuple[object, list[LiveVersion]] | None = None  # as of a generation of the registry and policy

    def all(self) -> list[LiveVersion]:
        """Return the live versions: of each model the stable version first, then the candidate of its rollout.

        Raises:
            CoreError: The registry cannot be read.
        """
        policy, found = self._policy_in_force(), []
        generation = (self._workspace.database(DATABASE).signature(), policy)
        if self._last is not None and self._last[0] == generation:
            self._last = generation, list(map(self._with_profile, self._last[1]))
            return self._last[1]
        for table in routing_tables(self._workspace).values():
            for number, role in _roles(table):
                try:
                    version = self._registry.get(table.model, number)
                except CoreError as error:  # archived or pruned a moment ago
                    log.warning("%s %s is not watched: %s", table.model, number, error)
                    continue
                found.append(self._described(version, role, policy))
        self._known = {key: known for key, known in self._known.items() if key in {each.key for each in found}}
        self._last = generation, found
        return found

    def _described(self, version: ModelVersion, role: Literal["stable", "candidate"], policy: Policy) -> LiveVersion:
        key = f"{version.model}@{version.version}"
        learned = self._known.get(key)
        made = self._registry.made_profile(version.model, version.version)
        if (
            learned is None
            or learned.of.manifest_sha256 != version.manifest_sha256
            or learned.made != made
            or self._was_touched(learned)
        ):
            learned = self._known[key] = self._read(version)
        return LiveVersion(
            workspace=self._workspace,
            model=version.model,
            version=version.version,
            role=role,
            live_since=self._live_since(version, role),
            created_at=version.created_at,
            folder=self._artifacts.folder(version.model, version.version),
            profile=learned.profile,
            profile_since=learned.profile_since,
            no_profile=learned.no_profile,
            importance=learned.importance,
            rules=policy.for_model(version.model),
            n_prompt_documents=learned.n_prompt_documents,
            writes_texts=is_language_model(version),
        )

    def _with_profile(self, live: LiveVersion) -> LiveVersion:
        """Read again what a version learned from, if its files were not as registered or its profile was touched."""
        if not self._was_touched(self._known[live.key]):
            return live
        learned = self._known[live.key] = self._read(self._known[live.key].of)
        return replace(
            live,
            profile=learned.profile,
            profile_since=learned.profile_since,
            no_profile=learned.no_profile,
            importance=learned.importance,
            n_prompt_documents=learned.n_prompt_documents,
        )

    def _was_touched(self, learned: "_Learned") -> bool:
        """Say whether the profile may be another file than was read; what is not as registered may be restored."""
        return learned.is_changed or learned.signatures != self._signatures(learned.of, learned.made)

    def _signatures(self, version: ModelVersion, made: MadeProfile | None) -> Signatures:
        own = self._artifacts.folder(version.model, version.version) / OWN_NAME
        return signatures_of([own] if made is None else [own, self._artifacts.root / made.path])

    def _read(self, version: ModelVersion) -> "_Learned":
        from core.monitoring.data_profile import ProfileError
        from core.training.version_profile import profile_and_file

        made = self._registry.made_profile(version.model, version.version)
        signatures = self._signatures(version, made)  # before the files are read: what changes meanwhile is seen later
        try:
            files = self._artifacts.contents(version.model, version.version, version.manifest_sha256, (REPORT_NAME,))
            report = parsed_object(files.get(REPORT_NAME, b""))
            importance, n_prompt_documents = importance_shares(report), prompt_documents(report)
            profile, file = profile_and_file(self._registry, version.model, version.version)
        except ChangedFileError as error:
            why = f"{version.model} {version.version}: {error}"
            return _Learned(version, made, None, why, {}, signatures, is_changed=True)
        except ProfileError as error:  # the file of a profile that was made may have been restored at the next look
            is_changed = made is not None
            return _Learned(version, made, None, str(error), importance, signatures, n_prompt_documents, is_changed)
        return _Learned(version, file.made, profile, "", importance, signatures)

    def _live_since(self, version: ModelVersion, role: str) -> datetime | None:
        moved = self._registry.went_live(version.model, version.version) if role == "stable" else None
        return None if moved is None else moved.at

    def _policy_in_force(self) -> Policy:
        try:
            return self._policy.policy()
        except SettingsError:  # has its own alert
            return self._policy.to_return_by()[0]


class _Learned(NamedTuple):
    """What a version learned from, as far as its files say so."""

    of: ModelVersion
    made: MadeProfile | None  # the record of a profile that was made later
    profile: "DataProfile | None"
    no_profile: str
    importance: dict[str, float]
    signatures: Signatures  # of the files that a profile is read from
    n_prompt_documents: int = 0
    is_changed: bool = False  # the files are not as registered

    @property
    def profile_since(self) -> datetime | None:
        """Since when answers are counted by it; None if always."""
        return None if self.made is None else self.made.made_at


def _roles(table: RoutingTable) -> Iterator[tuple[str, Literal["stable", "candidate"]]]:
    yield table.stable, "stable"
    if table.candidate is not None:
        yield table.candidate, "candidate"
