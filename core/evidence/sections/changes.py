"""Sections 14 to 16: how it is watched, who has validated it, and everything that was changed."""

from core.evidence.pack import EvidenceSection, Figure
from core.evidence.sections.writing import SectionDraft
from core.evidence.subject import Subject

_MOST_RECORDS = 200


def monitoring_plan(subject: Subject) -> EvidenceSection:
    """Write section 14."""
    draft = SectionDraft(14, "Monitoring plan")
    for rollout in subject.rollouts:
        plan = rollout["plan"] or {}
        rows = [
            [rollout.figure(name.replace("_", " ")), rollout.figure(value)]
            for name, value in plan.items()
            if isinstance(value, int | float | str)
        ]
        draft.table(f"Thresholds of {rollout['rollout_id']}", ("threshold", "value"), rows)
        names = ("name", "limit", "margin", "tolerated_share", "required")
        guards = [[rollout.figure(guard.get(name)) for name in names] for guard in plan.get("guards") or []]
        draft.table(
            f"Guards that {rollout['rollout_id']} watches",
            ("guard", "limit", "margin", "tolerated", "required"),
            guards,
        )
    if subject.registered is not None:
        previous = subject.registered["previous_production"] or []
        draft.facts += subject.registered.facts(production="live version")
        draft.facts.append(
            subject.registered.fact("fallback, the target of a rollback", previous[-1] if previous else None)
        )
    for name in ("bondx.yaml", "policy.yaml"):
        if (settings := subject.book.settings(name)) is not None:
            draft.facts.append(settings.fact(f"{name}, its SHA-256", settings["sha256"]))
    if not any(name in fact.name for fact in draft.facts for name in ("bondx.yaml",)):
        draft.lack("bondx.yaml cannot be read: the thresholds of alerts and of the policy are not recorded.")
    draft.lack(
        "The owner of the monitoring and the escalation to people are settings (alerts.escalation), not records."
    )
    return draft.written()


def validation(subject: Subject) -> EvidenceSection:
    """Write section 15."""
    draft = SectionDraft(15, "Independent validation and findings")
    rows = [
        [approval.figure(approval[name]) for name in ("version", "approved_by", "approved_at", "reason", "used_by")]
        for approval in subject.approvals
    ]
    draft.table("Approvals", ("version", "by", "at", "reason", "used by move"), rows)
    findings = [
        [alert.figure(alert[name]) for name in ("rule", "severity", "state", "summary", "first_at", "acknowledged_by")]
        for alert in subject.alerts
    ]
    draft.table(
        "Alerts about the model", ("rule", "severity", "state", "summary", "since", "acknowledged by"), findings
    )
    template = [[line, "", ""] for line in ("validator", "scope", "findings", "conclusion", "date and signature")]
    draft.table("Validation (to be completed and signed by hand)", ("field", "entry", "initials"), template)
    if not rows:
        draft.lack("No approval is recorded: bondx registry approve records one.")
    draft.lack("The independent validation itself: the template is left unsigned.")
    return draft.written()


def changes(subject: Subject) -> EvidenceSection:
    """Write section 16."""
    draft = SectionDraft(16, "Change log, approvals, retirement")
    moves = [
        [
            move.figure(move[name])
            for name in ("number", "verb", "version", "from_stage", "to_stage", "at", "by", "reason")
        ]
        for move in subject.transitions
    ]
    draft.table("Moves between stages", ("no.", "verb", "version", "from", "to", "at", "by", "reason"), moves)
    for move in subject.transitions:
        gates = [
            [
                *(move.figure(gate.get(name)) for name in ("name", "verdict", "value", "comparison", "threshold")),
                *(move.figure(gate.get(name)) for name in ("unit", "n_samples", "reason")),
            ]
            for gate in move["gates"] or []
        ]
        columns = ("gate", "verdict", "value", "", "limit", "unit", "samples", "reason")
        draft.table(f"Gates of move {move['number']}: {move['verb']} {move['version']}", columns, gates)
    newest = subject.records[-_MOST_RECORDS:]
    rows = []
    for record in newest:
        number = subject.book.record(record)
        at = f"{record.at:%Y-%m-%d %H:%M:%S} UTC"
        words = (at, record.actor, record.verb, record.object, record.reason or "–")
        rows.append([number, *(Figure(word, number.source) for word in words)])
    draft.table("Audit records", ("record", "at", "who", "what", "object", "why"), rows)
    if len(newest) < len(subject.records):
        draft.lack(f"{len(subject.records) - len(newest):,} older audit records are in the log and not in this pack.")
    if not subject.records:
        draft.lack("The audit log has no record about it.")
    if subject.transitions and not any(move["to_stage"] == "Archived" for move in subject.transitions):
        draft.say("It has not been retired.")
    return draft.written()
