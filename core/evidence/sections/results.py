"""Sections 6 to 11: how well it does, how sure that is, where it breaks, and against what it was held."""

from collections.abc import Mapping
from typing import Any

from core.evidence.pack import EvidenceSection, Figure, PackKind
from core.evidence.sections.writing import SectionDraft, by_panel, panels_of
from core.evidence.sources import Recorded
from core.evidence.subject import Subject
from core.explain.deny_list import DenyList

_SCORES = (
    "attainment",
    "attainment_low",
    "attainment_high",
    "gini_attainment",
    "optimum",
    "loss",
    "r2",
    "mae_bps",
    "root_mean_squared_error",
    "auc",
    "average_precision",
    "precision",
    "recall",
    "accuracy_score",
    "f1_score",
)
_CALIBRATION = ("log_loss", "log_loss_optimum", "brier_score_loss", "mean_squared_error")
_FIRST_OF_A_SLICE = ("roc_auc_score", "r2_score", "average_precision_score", "accuracy_score")
_MOST_SLICES = 60


def performance(subject: Subject) -> EvidenceSection:
    """Write section 6."""
    draft = SectionDraft(6, "Performance")
    for version in subject.versions:
        document, report = version.document, version.report
        rows = by_panel(document, _SCORES)
        draft.table(
            f"Scores of {document['key']}",
            ("metric", *panels_of(document)),
            rows,
            about="Attainment is the share of the best attainable score; low and high: its 95 % interval over groups.",
        )
        if not rows:
            draft.lack(f"{document['key']} was registered without metrics.")
        _slices(draft, report, str(document["key"]), subject.denied)
    if subject.session is not None and not subject.versions:
        observed = subject.session["observed"] or {}
        metrics = observed.get("metrics") or {}
        rows = [[subject.session.figure(name), subject.session.figure(value)] for name, value in metrics.items()]
        draft.table("Metrics of the last epoch", ("metric", "value"), rows)
    _live_performance(draft, subject)
    _rollout_readings(draft, subject)
    return draft.written()


def _slices(draft: SectionDraft, report: Recorded | None, key: str, denied: DenyList) -> None:
    slices = denied.visible_slices((report["slices"] if report else None) or {})
    if report is None or not slices:
        draft.lack(f"The scores of {key} by segment.")
        return
    known = {name for scores in slices.values() for name in scores}
    metric = next((name for name in _FIRST_OF_A_SLICE if name in known), None) or sorted(known - {"n_rows"})[0]
    rows = [
        [report.figure(name), report.figure(_whole(scores.get("n_rows"))), report.figure(scores.get(metric))]
        for name, scores in list(slices.items())[:_MOST_SLICES]
    ]
    draft.table(f"{key} by segment", ("segment", "rows", metric), rows)
    draft.bars(f"{metric} by segment, {key}", {n: s.get(metric) for n, s in slices.items()}, report.source)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rollout_readings(draft: SectionDraft, subject: Subject) -> None:
    for rollout in subject.rollouts:
        observed = rollout["observed"] or {}
        verdict = observed.get("verdict") or {}
        names = ("guard", "verdict", "stable_value", "candidate_value", "effect", "low", "high", "reason")
        rows = [[rollout.figure(reading.get(name)) for name in names] for reading in observed.get("readings") or []]
        columns = ("guard", "verdict", "stable", "candidate", "effect", "low", "high", "reason")
        draft.table(f"Guards of {rollout['rollout_id']}", columns, rows)
        if verdict:
            draft.facts.append(rollout.fact(f"verdict of {rollout['rollout_id']}", verdict.get("outcome")))
            draft.facts.append(rollout.fact("its reason", verdict.get("reason")))


def _live_performance(draft: SectionDraft, subject: Subject) -> None:
    """Add how well the monitored version does by the outcomes that came."""
    monitoring, live = subject.monitoring, subject.monitored
    performance = live.get("performance") or {}
    if monitoring is None or not performance:
        if subject.kind in (PackKind.VERSION, PackKind.MODEL):
            draft.lack("Performance on live traffic: no outcomes of a live version have been judged by an engine.")
        return
    names = ("metric", "value", "low", "high", "n", "reference", "verdict")
    rows = [[monitoring.figure(each.get(name)) for name in names] for each in performance.get("metrics") or []]
    draft.table(
        f"Live performance of {live.get('version')}",
        ("metric", "value", "low", "high", "outcomes", "held-out rows", "verdict"),
        rows,
        about="By the outcomes that came, with the interval that holds at every look.",
    )
    draft.facts.append(monitoring.fact("verdict on live performance", performance.get("verdict")))
    draft.facts.append(monitoring.fact("its reason", performance.get("reason")))


def calibration(subject: Subject) -> EvidenceSection:
    """Write section 7."""
    draft = SectionDraft(7, "Calibration")
    for version in subject.versions:
        document = version.document
        rows = by_panel(document, _CALIBRATION)
        draft.table(f"Proper scores of {document['key']}", ("metric", *panels_of(document)), rows)
    draft.lack(
        "The reliability table, the binomial and the Hosmer-Lemeshow test: they are not recorded at registration. "
        "`bondx performance show` draws the reliability of live answers."
    )
    return draft.written()


def stability(subject: Subject) -> EvidenceSection:
    """Write section 8."""
    draft = SectionDraft(8, "Stability")
    for version in subject.versions:
        document = version.document
        metrics = document["metrics"] or {}
        pairs = [
            (name.removeprefix("test_new_macro."), value)
            for name, value in metrics.items()
            if name.startswith("test_new_macro.") and name.removeprefix("test_new_macro.") in _SCORES
        ]
        rows = [[Figure(name), document.figure(metrics.get(name)), document.figure(value)] for name, value in pairs]
        draft.table(
            f"New macro path, {document['key']}",
            ("metric", "test", "new macro path"),
            rows,
            about="The second panel has other groups and another path of the macro factors.",
        )
        if not rows:
            draft.lack(f"A test of {document['key']} on another macro path.")
    if subject.monitoring is not None and subject.monitored:
        _drift(draft, subject.monitoring, subject.monitored)
    elif subject.kind in (PackKind.VERSION, PackKind.MODEL):
        draft.lack("Drift of live traffic: no engine has monitored it.")
    return draft.written()


def _drift(draft: SectionDraft, monitoring: Recorded, live: Mapping[str, Any]) -> None:
    drift, health = live.get("drift") or {}, live.get("health") or {}
    draft.facts.append(monitoring.fact("monitored version", live.get("version")))
    draft.facts.append(monitoring.fact("live since", live.get("live_since")))
    draft.facts.append(monitoring.fact("health", health.get("state")))
    for reason in health.get("reasons") or []:
        draft.facts.append(monitoring.fact(f"health, {reason.get('source')}", reason.get("text")))
    for name, words in (("verdict", "verdict on drift"), ("as_of", "as of"), ("n_rows", "rows counted")):
        if drift.get(name) is not None:
            draft.facts.append(monitoring.fact(words, drift[name]))
    for note in drift.get("notes") or []:  # how many of the answered rows are not counted, among others
        draft.facts.append(monitoring.fact("note on drift", note))
    columns = [each for each in drift.get("columns") or [] if isinstance(each, Mapping)]
    names = ("name", "verdict", "psi", "n", "reason")
    rows = [[monitoring.figure(each.get(name)) for name in names] for each in columns]
    draft.table("Columns of live traffic", ("column", "verdict", "PSI", "rows", "reason"), rows)
    psi = {str(each.get("name")): each.get("psi") for each in columns}
    draft.bars("PSI of live traffic by column (0.10 watch, 0.25 act)", psi, monitoring.source)


def stress(subject: Subject) -> EvidenceSection:
    """Write section 9."""
    draft = SectionDraft(9, "Sensitivity and stress")
    for test, report in subject.stress:
        draft.facts += test.facts(
            test_id="stress test",
            portfolio="portfolio",
            n_instruments="instruments",
            market_value="market value before any shock",
            value_unit="unit",
        )
        cases = [each for each in test["cases"] or [] if isinstance(each, Mapping)]
        rows = [
            [test.figure(case.get(name)) for name in ("scenario", "severity", "pnl", "pnl_share", "impact")]
            for case in cases
        ]
        draft.table(f"Cases of {test['test_id']}", ("scenario", "severity", "profit", "share of value", "impact"), rows)
        losses = {f"{case.get('scenario')}, {case.get('severity')}": case.get("pnl") for case in cases}
        draft.bars(f"Profit by case, {test['test_id']}", losses, test.source, unit=str(test["value_unit"] or ""))
        if report is None:
            draft.lack(f"The report of {test['test_id']} {subject.book.absence(str(test['report']))}.")
        elif report["notes"]:
            draft.facts.append(report.fact("assumptions", report["notes"]))
    if not subject.stress:
        draft.lack("A stress test of this domain in this workspace: bondx stress run records one.")
    for section in (subject.final["sections"] if subject.final else None) or []:
        if subject.final is not None and "stress" in str(section.get("title", "")).lower():
            rows = [[subject.final.figure(cell) for cell in row] for row in section.get("rows") or []]
            draft.table(str(section["title"]), section.get("columns") or [], rows, about=str(section.get("about", "")))
    draft.lack("The sensitivity of each answer to a notch and to 10 percentage points of LGD is not recorded.")
    return draft.written()


def explainability(subject: Subject) -> EvidenceSection:
    """Write section 10."""
    draft = SectionDraft(10, "Explainability")
    for version in subject.versions:
        report, key = version.report, str(version.document["key"])
        _explained(draft, version.explanation, key)
        shares = (report["feature_importance"] if report else None) or {}
        if report is None or not shares:
            draft.lack(f"The importance of the columns of {key}.")
            continue
        draft.bars(f"Importance of columns, {key}", shares, report.source)
        ranked = sorted(shares.items(), key=lambda each: -float(each[1]))
        draft.table(
            f"Importance of columns, {key}",
            ("column", "share"),
            [[report.figure(n), report.figure(s)] for n, s in ranked],
        )
    draft.lack("Tests of decoys and of monotonicity: they are not recorded.")
    return draft.written()


def _explained(draft: SectionDraft, explanation: Recorded | None, key: str) -> None:
    """Add what the explanation says that was computed at the registration."""
    if explanation is None:
        draft.lack(f"An explanation of {key} with intervals: training it again with explanation.rows records one.")
        return
    report = Recorded(explanation.source, explanation["report"] or {})
    draft.facts += report.facts(
        algorithm="how contributions were computed",
        n_rows="rows explained",
        sum_error="by how much contributions miss the answer",
        notes="notes",
    )
    names = ("feature", "importance", "low", "high", "share", "best_rank", "worst_rank", "direction")
    columns = ("column", "importance", "low", "high", "share", "best rank", "worst rank", "direction")
    features = [[report.figure(each.get(name)) for name in names] for each in report["features"] or []]
    draft.table(f"Contributions of columns, {key}", columns, features, about="With 95 % intervals.")
    groups = [
        [report.figure(each.get(name)) for name in ("features", "association", "importance")]
        for each in report["groups"] or []
    ]
    draft.table(f"Columns that are hard to tell apart, {key}", ("columns", "association", "importance"), groups)
    if surrogate := report["surrogate"]:
        draft.facts.append(report.fact("fidelity (R²) of a small tree that imitates it", surrogate.get("fidelity")))


def benchmarks(subject: Subject) -> EvidenceSection:
    """Write section 11."""
    draft = SectionDraft(11, "Benchmarks and challenger")
    for version in subject.versions:
        report = version.report
        losses = {
            str(each.get("candidate")): each.get("loss")
            for each in (report["candidates"] if report else None) or []
            if isinstance(each, Mapping)
        }
        if report is not None:
            draft.bars(f"Mean loss of each candidate, {version.document['key']}", losses, report.source)
        if replaced := version.document["replaces"]:
            draft.facts.append(version.document.fact(f"{version.document['key']} replaces", replaced))
    final = subject.final
    for ensemble in (final["ensembles"] if final else None) or []:
        if final is not None and subject.model in ("", ensemble.get("model")):
            draft.facts.append(final.fact(f"ensemble of {ensemble.get('model')}", ensemble.get("why")))
    for rollout in subject.rollouts:
        plan, observed = rollout["plan"] or {}, rollout["observed"] or {}
        draft.facts.append(rollout.fact(f"{rollout['rollout_id']}: {rollout['candidate']} against", rollout["stable"]))
        draft.facts.append(rollout.fact("strategy", plan.get("strategy")))
        draft.facts.append(rollout.fact("phase", observed.get("phase")))
        events = [
            [rollout.figure(event.get(name)) for name in ("at", "verb", "share", "reason", "by")]
            for event in observed.get("events") or []
        ]
        draft.table(f"Decisions of {rollout['rollout_id']}", ("at", "what", "share", "reason", "by"), events)
    if not subject.rollouts and subject.kind in (PackKind.VERSION, PackKind.MODEL):
        draft.lack("A rollout against a stable version: none is recorded.")
    return draft.written()
