"""Making a plan: the documents, files and settings it takes, gathered for the pure functions of `planning`."""

from core.clock import Clock
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.artifacts import ArtifactStore
from core.registry.documents import ModelVersion, RegisteredModel
from core.registry.gates import integrity_gate, promotion_gates
from core.registry.integrity import IntegrityResult, inspect, tell_operator
from core.registry.planning import Plan
from core.registry.records import Records
from core.registry.stages import Stage, Verb, is_allowed, next_stage
from core.settings.load import load_settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace


class Proposer:
    """Looks at everything a move depends on; changes nothing but the alerts on files."""

    def __init__(
        self,
        workspace: Workspace,
        records: Records,
        store: ArtifactStore,
        promotion: PromotionSettings | None,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._records = records
        self._store = store
        self._promotion = promotion
        self._settings_read: tuple[object, PromotionSettings] | None = None
        self._clock = clock

    def propose(self, verb: Verb, name: str, number: str = "", stage: Stage | None = None) -> Plan:
        """Plan a move of a model at the revision found first; should that grow meanwhile, the plan is stale."""
        model = self._records.model(name)
        if verb is Verb.PROMOTE:
            candidate = self._records.version(name, number)
            target = stage or next_stage(candidate.stage)
            is_step = target is not None and is_allowed(verb, candidate.stage, target)
            gates = self._promotion_gates(model, candidate, target) if target and is_step else ()
            return planning.promotion(model, candidate, target, gates)
        if verb is Verb.ROLL_BACK:
            previous = self._found(name, next(reversed(model.previous_production), None))
            return planning.rollback(model, previous, self._integrity_gates(previous))
        if verb is Verb.UNDO:
            newest = self._records.newest_transition(model)
            returning = self._found(name, planning.version_to_return(newest))
            return planning.undo(model, newest, self._integrity_gates(returning))
        return planning.archiving(model, self._records.version(name, number))

    def examine(self, version: ModelVersion) -> IntegrityResult:
        """Hash the files of a version again, and bring the alert on them up to date."""
        result = inspect(self._store, version)
        tell_operator(self._workspace, result, now=self._clock())
        return result

    def _promotion_gates(
        self, model: RegisteredModel, candidate: ModelVersion, target: Stage
    ) -> tuple[GateResult, ...]:
        live = self._found(model.model, model.production)
        problems = self.examine(candidate).problems
        return promotion_gates(candidate, live, self._thresholds(), to_stage=target, integrity=problems)

    def _integrity_gates(self, version: ModelVersion | None) -> tuple[GateResult, ...]:
        if version is None:
            return ()
        return (integrity_gate(version, self.examine(version).problems, self._thresholds()),)

    def _found(self, model: str, number: str | None) -> ModelVersion | None:
        return None if number is None else self._records.version(model, number)

    def _thresholds(self) -> PromotionSettings:
        if self._promotion is not None:
            return self._promotion
        file = self._workspace.settings_file
        found = file.stat() if file.exists() else None
        generation = (found.st_ino, found.st_mtime_ns, found.st_size) if found else None
        # Reading YAML takes as long as the promotion itself.
        if self._settings_read is None or self._settings_read[0] != generation:
            self._settings_read = generation, load_settings(file).policy.promotion
        return self._settings_read[1]
