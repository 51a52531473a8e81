"""A member of a registered ensemble as a version of its own, which a rollout can compare with the ensemble.

Nothing is trained: the member answers as it does inside the ensemble. What the registry is told of it is measured anew,
on rows that it has not learned from: the test panels of its session, drawn again, or a file that is named. A file that
trained an ensemble trained its members on all of its rows, those once held out included, so these measure nothing.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from core.actor import Actor
from core.domains.catalogue import judged_by_its_domain, load_model
from core.domains.own_file import Judged
from core.errors import NotFoundError, UsageError
from core.explain.deny_list import DenyList, withholds_cells
from core.files import write_file
from core.governance.audit import require_access
from core.models import Model
from core.models.errors import NoSuchMemberError
from core.models.outcomes import outcomes_by
from core.monitoring.data_profile import DataProfile, ProfileError
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.progress import begins
from core.quality.checks.fitted_model import BEATS_CONSTANT, NO_LEAK, FittedModel
from core.quality.gate import GateResult
from core.registry import ModelVersion, Registry, Stage
from core.registry.contents import REPORT_NAME, read_object
from core.registry.members import WHOLE_METRICS
from core.registry.tested_rows import TRAINED_ON
from core.seeds import derive_seed
from core.settings import Settings
from core.state import Workspace
from core.tables import ReadingRules, TableSignature, require_target
from core.tables.signature import SIGNATURE_NAME
from core.training.answered_files import files_of_answers, files_without_answers
from core.training.model_set import ModelSet
from core.training.own_data.equal_rows import RowsWithOutcomes, equal_rows
from core.training.own_data.learned_rows import is_described, learned_files, rows_learned
from core.training.panels import SessionPanels
from core.training.records import DrawRecord
from core.training.registration import leak_gate, named_for_registry
from core.training.sessions import Sessions
from core.training.version_profile import profile_of_version

GATES_OF_MODELS = frozenset({NO_LEAK.name, BEATS_CONSTANT.name})
"""Gates that judge a model; the others judge the rows that an ensemble and its members have in common."""
NOT_OF_MEMBERS = frozenset({"parents", "reweighed", "retraining", "continues", "member"})
KEPT_OF_REPORT = ("data_profile", "sliced_by", "features", "ignored", "task", "target")
NOT_MEASURED = (
    "It has no figures of its own: no rows are known that it has not learned from. Name such rows with their outcomes "
    "(--data FILE), or compare it with the ensemble in an A/B test, which needs none."
)


@dataclass(frozen=True, slots=True)
class MemberVersion:
    """A member that was registered.

    Attributes:
        version: The version.
        is_new: Whether it was registered now; else it was there already, with the same files.
        measured: On which rows its metrics were measured, or why it has none; a sentence.
    """

    version: ModelVersion
    is_new: bool
    measured: str

    def told(self) -> str:
        """Say in a sentence what was done."""
        name = f"{self.version.model} {self.version.version}"
        if self.is_new:
            why = f" ({self.version.bump})" if self.version.bump else ""
            return f"{name} is registered in {self.version.stage}{why}"
        return f"{name} is this member already, registered on {self.version.created_at:%Y-%m-%d}: nothing was changed"


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the rows say of a member that it has not learned from."""

    told: str
    metrics: dict[str, float] = field(default_factory=dict)
    slices: dict[str, Any] = field(default_factory=dict)
    gates: tuple[GateResult, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    whole_metrics: dict[str, float] = field(default_factory=dict)
    """Of the ensemble, on the rows of the file."""


def refusal_of_member(registry: Registry, model: str, version: str, member: str) -> str | None:
    """Say why `register_member` takes no such member out of a version; None if it does.

    Raises:
        NotFoundError: There is no such model or version.
        HashMismatchError: The files of the version differ from the registered files.
    """
    with registry.opened(model, version) as artifact:
        try:
            load_model(artifact).member(member)
        except NoSuchMemberError as error:
            return str(error.of_version(f"{model} {version}"))
    return None


@withholds_cells
def register_member(
    workspace: Workspace,
    model: str,
    version: str,
    member: str,
    settings: Settings,
    *,
    actor: Actor,
    data: Path | None = None,
    rules: ReadingRules | None = None,
    reason: str = "",
) -> MemberVersion:
    """Register a member of an ensemble as the next version of its model, in Development.

    Args:
        workspace: The workspace of the registry.
        model: The model.
        version: The ensemble's number, or an alias.
        member: The member's name, as the report of the ensemble has it.
        settings: How many rows a version keeps and explains, and which columns must not appear.
        actor: Who registers.
        data: Rows with their outcomes to measure the member on, none of which the ensemble has learned from.
        rules: How columns of the file are to be read, beyond what the signature says.
        reason: Why, for the audit log.
    Raises:
        NotFoundError: There is no such model, version or member.
        AccessRefusedError: The actor may not register a version of the model.
        TableError: The file cannot be used, or does not fit the signature of the version.
        UsageError: The ensemble learned from the file, or its models cannot be evaluated on files.
        HashMismatchError: The files of the ensemble differ from the registered files.
    """
    registry = Registry(workspace)
    ensemble = registry.get(model, version)
    require_access(workspace, actor, "version.register", model=ensemble.model, stage=Stage.DEVELOPMENT)
    with registry.opened(ensemble.model, ensemble.version) as artifact, threadpool_limits(1):
        whole, signature = load_model(artifact), TableSignature.read(artifact)
        try:
            taken = whole.member(member)
        except NoSuchMemberError as error:
            raise error.of_version(f"{ensemble.model} {ensemble.version}") from None
        report = read_object(artifact / REPORT_NAME)
        kept = _kept(artifact, ensemble)
    profile = _profile(registry, ensemble)
    with threadpool_limits(1):  # sums in another order differ in their last digits
        found = (
            _on_panels(workspace, ensemble, taken, kept, profile, settings)
            if data is None
            else _on_file(workspace, ensemble, whole, taken, kept, signature, data, rules, report, profile, settings)
        )
        if found is None:
            files = {} if profile is None else files_without_answers(taken, kept, profile, settings)
            found = _Measured(NOT_MEASURED, files=files)
    share = _share(report, member)
    made_of = {"of": ensemble.key, "member": member, **share}
    if found.whole_metrics:
        made_of[WHOLE_METRICS] = found.whole_metrics
    own = {
        **{name: report[name] for name in KEPT_OF_REPORT if name in report},
        **taken.report(),
        "why": f"{member} is a member of {ensemble.key}, taken out as it is",
        "feature_importance": taken.feature_importance(),
        "metrics": found.metrics,
        "slices": DenyList.of(settings.explanation).visible_slices(found.slices),
        "notice": found.told,
        "member": made_of,
    }
    files = dict(found.files)
    files[REPORT_NAME] = msgspec.json.format(msgspec.json.encode(own, order="deterministic"), indent=2) + b"\n"
    if signature is not None:
        files[SIGNATURE_NAME] = signature.to_bytes()
    begins("the registration")
    known = registry.numbers(ensemble.model)
    with tempfile.TemporaryDirectory(prefix="bondx-member-") as place:
        folder = Path(place)
        taken.save(folder)
        for name, content in files.items():
            write_file(folder / name, content, durable=False)
        made = registry.register(
            ensemble.model,
            folder,
            metrics=found.metrics,
            lineage=_lineage(ensemble, member, made_of, found, is_measured_on_file=data is not None),
            gates=(*(gate for gate in ensemble.gates if gate.name not in GATES_OF_MODELS), *found.gates),
            actor=actor,
            run_id=ensemble.run_id,
            session_id=ensemble.session_id,
            bump="auto",
            parents=(ensemble.key,),
            description=f"{member}, a member of {ensemble.key}",
            reason=reason,
        )
    return MemberVersion(made, made.version not in known, found.told)


def _kept(artifact: Path, ensemble: ModelVersion) -> HeldOutRows | None:
    try:
        return HeldOutRows.read(artifact, ensemble.key)
    except HeldOutError:
        return None


def _profile(registry: Registry, ensemble: ModelVersion) -> DataProfile | None:
    try:
        return profile_of_version(registry, ensemble.model, ensemble.version)
    except ProfileError:
        return None


def _share(report: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return the member's weight and share in the ensemble, as its report has them."""
    account = report.get("ensemble")
    entries = account.get("members", ()) if isinstance(account, Mapping) else ()
    found: dict[str, Any] = next((entry for entry in entries if entry.get("member") == member), {})
    return {name: found[name] for name in ("weight", "share") if found.get(name) is not None}


def _lineage(
    ensemble: ModelVersion, member: str, made_of: dict[str, Any], found: _Measured, *, is_measured_on_file: bool
) -> dict[str, Any]:
    """Return where a member comes from: what the ensemble learned from, and the rows that measured the member."""
    left_out = NOT_OF_MEMBERS | ({"split"} if is_measured_on_file else set())
    lineage = {name: value for name, value in ensemble.lineage.items() if name not in left_out}
    recorded = lineage.get("data")
    before = recorded if isinstance(recorded, Mapping) else {}
    if is_measured_on_file:
        before = {name: entry for name, entry in before.items() if name in TRAINED_ON}
    return {
        **lineage,
        "data": {**before, **found.data},
        "chosen": member,
        "member": made_of,
    }


def _on_panels(
    workspace: Workspace,
    ensemble: ModelVersion,
    taken: Model,
    kept: HeldOutRows | None,
    profile: DataProfile | None,
    settings: Settings,
) -> _Measured | None:
    """Measure a member as its session measured the ensemble, on the same test panels; None if there are none."""
    recorded = ensemble.lineage.get("data")
    try:
        training = Sessions(workspace).get(ensemble.session_id).training
    except NotFoundError:
        return None
    if not isinstance(recorded, Mapping) or taken.name not in training.models:
        return None
    panels = SessionPanels(training)
    members, domain = ModelSet.of(training, {taken.name: taken}), panels.domain
    metrics: dict[str, float] = {}
    slices: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    draws: list[DrawRecord] = []
    for number, name in enumerate(domain.test_panels):
        begins(f"drawing {name}")
        draw = panels.test(name)
        entry = recorded.get(name)
        if not isinstance(entry, Mapping) or entry.get("sha256") != draw.record.sha256:
            return None  # another release draws other rows, of which nobody knows whether the ensemble has seen them
        draws.append(draw.record)
        begins(f"the test on {name}")
        seed = derive_seed(training.random_seed, "interval", number)
        figures = members.test(draw.panel, seed=seed)[taken.name]
        metrics |= {f"{name}.{metric}": value for metric, value in figures.items()}
        if number == 0 and profile is not None:
            frame = draw.panel.frame
            judged = frame[frame.index.isin(taken.judged_rows(frame).index)]
            columns = (
                [*kept.rows, *kept.masked] if kept is not None else list(taken.columns_read(list(map(str, frame))))
            )
            files = files_of_answers(
                taken, frame, judged, profile, settings, columns=columns, group=domain.group_column
            )
            slices = members.slices(draw.panel)[taken.name]
    return _Measured(
        told=f"It was measured on the test panels of {ensemble.session_id}, as {ensemble.key} was.",
        metrics=named_for_registry(metrics, domain.test_panels[0]),
        slices=slices,
        gates=(leak_gate(metrics, draws, domain.test_panels),),
        files=files,
    )


def _on_file(
    workspace: Workspace,
    ensemble: ModelVersion,
    whole: Model,
    taken: Model,
    kept: HeldOutRows | None,
    signature: TableSignature | None,
    data: Path,
    rules: ReadingRules | None,
    report: Mapping[str, Any],
    profile: DataProfile | None,
    settings: Settings,
) -> _Measured:
    """Measure a member on a file.

    Raises:
        UsageError: The ensemble learned from rows of the file, or its models cannot be evaluated on files.
    """
    judged, whole_judged = (
        judged_by_its_domain(model, signature, data, rules or ReadingRules()) for model in (taken, whole)
    )
    if judged is None or whole_judged is None:
        raise UsageError(f"{ensemble.key} is a {taken.name} model, which cannot be evaluated on a file.")
    sha256, frame = judged.table.source.sha256, judged.frame
    if sha256 in learned_files(Registry(workspace), ensemble):
        raise UsageError(
            f"{data}: {ensemble.key} and its members learned from this file. Name rows that they have not learned from."
        )
    if is_described(frame, judged.signature):
        raise UsageError(
            f"{data}: all figures of its columns are those of the rows that {ensemble.key} and its members learned "
            "from. Name rows that they have not learned from."
        )
    if judged.signature is not None and judged.signature.target is not None:
        require_target(judged.table, judged.signature)
    told = _told_of_rows(workspace, ensemble, taken, kept, judged, data)
    begins("the test")
    metrics = judged.model.judge(frame)
    names = judged.signature.names if judged.signature is not None else tuple(map(str, frame))
    group = judged.signature.group if judged.signature is not None else None
    denied = DenyList.of(settings.explanation)
    fitted = FittedModel(
        n_rows=len(frame),
        metrics=metrics,
        importance=taken.feature_importance(),
        single_feature_leak=report.get("single_feature_leak", {}),
        denied=denied.among(names),
    )
    files: dict[str, bytes] = {}
    if profile is not None:
        columns = [name for name in names if name != group]
        files = files_of_answers(judged.model, frame, frame, profile, settings, columns=columns, group=group)
    return _Measured(
        told=told,
        metrics=metrics,
        slices=judged.model.judge_slices(frame),
        gates=tuple(check.apply(fitted, settings.quality_gates) for check in (NO_LEAK, BEATS_CONSTANT)),
        files=files,
        data={"test": {"sha256": sha256, "n_rows": len(frame)}},
        whole_metrics=whole_judged.model.judge(whole_judged.frame),
    )


def _told_of_rows(
    workspace: Workspace, ensemble: ModelVersion, taken: Model, kept: HeldOutRows | None, judged: Judged, data: Path
) -> str:
    """Say on which rows a member is measured, and what is known of them.

    Raises:
        UsageError: More of them than chance explains are rows that the ensemble learned from.
    """
    outcomes, n_rows = outcomes_by(judged.model, judged.frame), len(judged.frame)
    measured = f"It was measured on {n_rows:,} rows of a file"
    known = rows_learned(workspace, ensemble, taken, kept)
    if known is None or outcomes.actual is None:
        return f"{measured} that were given as new to {ensemble.key}; whether it has learned from some is not known."
    begins("the comparison with the rows that it learned from")
    found = equal_rows(RowsWithOutcomes(outcomes.rows, outcomes.actual), known.rows)
    if found.are_copies:
        assert found.first is not None
        raise UsageError(
            f"{data}: {found.n_equal:,} of its {n_rows:,} rows are rows that {ensemble.key} and its members learned "
            f"from, the first of them {judged.table.place(found.first)}. Leave them out, or name other rows."
        )
    equal = "none of them equals" if not found.n_equal else f"{found.n_equal:,} of them, as chance alone may do, equal"
    among = "a row" if not found.n_equal else "rows"
    if known.are_all:
        return f"{measured}; {equal} {among} that {ensemble.key} learned from."
    return (
        f"{measured}; {equal} {among} of the {found.n_known:,} rows that {ensemble.key} keeps of what it learned from, "
        "and of the others nothing is known."
    )
