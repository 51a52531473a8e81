"""Sections 1, 2, 4 and 12: what the subject is, what asks for it, how it works, and where it ends."""

from collections.abc import Mapping

from core.evidence.pack import EvidenceSection, Figure, SectionStatus
from core.evidence.recorded_version import domain_of
from core.evidence.regulation import AI_ACT, CLAUSES
from core.evidence.sections.writing import SectionDraft
from core.evidence.sources import Recorded
from core.evidence.subject import Subject, VersionFacts

_LEVEL_90 = 80  # of the levels 0.5, 0.505 … 0.995 of `conformal.json`
_HIGH_RISK, _LOW_RISK = _RISKS = ("high_risk", "not_high_risk")
_TAGS = {
    "owner": "the owner",
    "purpose": "the purpose",
    "intended_use": "the intended use",
    "prohibited_use": "the prohibited use",
    "materiality": "the tier of materiality",
    "materiality_reason": "the reason of the tier",
}


def identity(subject: Subject) -> EvidenceSection:
    """Write section 1."""
    draft = SectionDraft(1, "Identity")
    for version in subject.versions:
        document = version.document
        draft.facts += document.facts(
            key="version",
            stage="stage",
            stage_since="in this stage since",
            created_at="registered at",
            created_by="registered by",
            session_id="training session",
            run_id="run",
            description="description",
            manifest_sha256="SHA-256 of its manifest",
            n_files="files",
            n_bytes="bytes",
        )
        tags = document["tags"] or {}
        draft.facts += [document.fact(name.replace("_", " "), tags[name]) for name in _TAGS if tags.get(name)]
        for name, words in _TAGS.items():
            if not tags.get(name):
                key = f"{document['model']} {document['version']}"
                draft.lack(f"{words[0].upper()}{words[1:]} of {key}: {_tagging(document)} {name}=TEXT records it.")
    for rollout in subject.rollouts:
        draft.facts += rollout.facts(
            rollout_id="rollout",
            stable="stable version",
            candidate="candidate",
            created_at="started at",
            reason="reason",
        )
    for test, _ in subject.stress:
        draft.facts += test.facts(
            test_id="stress test", portfolio="portfolio", created_at="run at", created_by="run by"
        )
    if subject.session is not None and not subject.versions:
        draft.facts += subject.session.facts(session_id="session", created_at="requested at", created_by="requested by")
        draft.lack("No version was registered by this session, so the pack describes the training alone.")
    if not subject.versions and not subject.session and not subject.stress:
        draft.lack("No version is registered in this period.")
    return draft.written()


def regulatory_map(subject: Subject, statuses: Mapping[int, SectionStatus]) -> EvidenceSection:
    """Write section 2: which clause is answered by which section, and how complete that section is.

    The headings of the EU AI Act's technical documentation are among them if a version is a high-risk system.
    """
    draft = SectionDraft(2, "Regulatory map")
    draft.say(
        "Each clause with the sections that speak to it, and how much of these is recorded. SR 26-2 superseded SR 11-7 "
        "on 17 April 2026; the sections of SR 11-7 stay as a cross-reference. A map is no opinion on compliance."
    )
    order = list(SectionStatus)
    rows = []
    under_act = [row for version in subject.versions if (row := _under_ai_act(version, draft))]
    is_high_risk = any(row[1].text == _HIGH_RISK for row in under_act)
    if is_high_risk:
        draft.lack(
            "The harmonised standards that were applied and the EU declaration of conformity (Annex IV 7 and 8 of the "
            "EU AI Act): no record of this workspace holds them."
        )
    for clause in (*CLAUSES, *(AI_ACT if is_high_risk else ())):
        worst = max((statuses[number] for number in clause.sections), key=order.index)
        sections = ", ".join(map(str, clause.sections))
        rows.append([clause.regime, clause.clause, clause.asks, sections, str(worst)])
    draft.table("Clauses", ("regime", "clause", "asks for", "sections", "recorded"), rows)
    draft.table("EU AI Act, Annex III", ("version", "class", "reason"), under_act)
    return draft.written()


def _tagging(document: Recorded) -> str:
    """Return the command that tags a version."""
    return f"bondx registry tag {document['model']} {document['version']}"


def _under_ai_act(version: VersionFacts, draft: SectionDraft) -> list[Figure]:
    """Return a version, its class under the EU AI Act, and why; nothing if nobody knows.

    A tag decides, since people know the use; without one, the domain of a built-in model.
    """
    document, tags = version.document, version.document["tags"] or {}
    key = f"{document['model']} {document['version']}"
    if (said := tags.get("ai_act")) in _RISKS:
        if not tags.get("ai_act_reason"):
            draft.lack(f"Why {key} is {said}: {_tagging(document)} ai_act_reason=TEXT records it.")
        return [Figure(key), document.figure(said), document.figure(tags.get("ai_act_reason", ""))]
    domain = domain_of(str(version.model_file["model"])) if version.model_file is not None else None
    if reason := getattr(domain, "ai_act", ""):
        return [Figure(key), Figure(_LOW_RISK), Figure(reason)]
    draft.lack(
        f"Whether {key} is a high-risk system of Annex III of the EU AI Act, and why: {_tagging(document)} "
        f"ai_act={_HIGH_RISK} or ai_act={_LOW_RISK}, with ai_act_reason=TEXT, records it."
    )
    return []


def method(subject: Subject) -> EvidenceSection:
    """Write section 4."""
    draft = SectionDraft(4, "Method and conceptual soundness")
    for version in subject.versions:
        report, model_file = version.report, version.model_file
        name = str(version.document["key"])
        if report is None:
            absence = subject.book.absence(f"{version.folder}/report.json")
            draft.lack(f"The report.json of {name}, in which a model says how it was chosen, {absence}.")
            continue
        draft.facts += report.facts(
            model="model",
            algorithm="algorithm requested",
            ships="algorithm that ships",
            why="why",
            judged_on="judged on",
        )
        if model_file is not None:
            draft.facts += model_file.facts(n_rows="rows learned from", n_updates="updates", parameters="parameters")
        rows = [
            [report.figure(each.get(column)) for column in ("candidate", "loss", "behind_leader", "standard_error")]
            for each in report["candidates"] or []
            if isinstance(each, dict)
        ]
        draft.table(
            f"Alternatives tried for {name}", ("candidate", "mean loss", "behind the leader", "standard error"), rows
        )
        ways = report["continues_by"]
        if isinstance(ways, Mapping):
            rows = [[report.figure(each), report.figure(how)] for each, how in ways.items()]
            draft.table("How each candidate learns from a further draw", ("candidate", "update"), rows)
    draft.lack("The equations, the assumptions and the literature: no record of this workspace holds them.")
    return draft.written()


def limitations(subject: Subject) -> EvidenceSection:
    """Write section 12."""
    draft = SectionDraft(12, "Limitations, overlays, uncertainty")
    if subject.final is not None:
        draft.facts += subject.final.facts(
            notice="notice", warnings="warnings of the training", not_done="not carried out"
        )
    for version in subject.versions:
        metrics = version.document["metrics"] or {}
        for panel in ("", "test_new_macro."):
            low, high = metrics.get(f"{panel}attainment_low"), metrics.get(f"{panel}attainment_high")
            if low is not None and high is not None:
                name = f"95 % interval of the attainment, {panel.rstrip('.') or 'test'}"
                draft.facts.append(version.document.fact(f"{name}, low", low))
                draft.facts.append(version.document.fact(f"{name}, high", high))
        if version.conformal is not None:
            draft.facts += version.conformal.facts(n_rows="rows that calibrate its intervals", n_groups="of groups")
            radii = version.conformal["radii"] or []
            if len(radii) > _LEVEL_90 and radii[_LEVEL_90] is not None:
                name = f"half width of a 90 % interval of {version.document['key']}, in units of its scale"
                draft.facts.append(version.conformal.fact(name, radii[_LEVEL_90]))
        if metrics.get("leak"):
            draft.facts.append(version.document.fact("leak alarm", metrics["leak"]))
    for rollout in subject.rollouts:
        unjudged = (rollout["observed"] or {}).get("not_judged") or []
        rows = [[rollout.figure(each.get("what")), rollout.figure(each.get("reason"))] for each in unjudged]
        draft.table(f"What {rollout['rollout_id']} did not judge", ("guard", "why"), rows)
    quarantined = [record for record in subject.records if record.verb in ("version.quarantine", "version.release")]
    rows = [[subject.book.record(record), Figure(record.verb), Figure(record.object)] for record in quarantined]
    draft.table("Quarantine", ("record", "what", "version"), rows)
    draft.lack("Overlays and overrides: none is recorded, and no part of this program applies one.")
    if subject.final is None:
        draft.lack("The final report of a training session, which holds its notice and its warnings.")
    return draft.written()
