"""Sections 3, 5 and 13: the data, how the model was made of them, and how its making can be checked."""

from typing import Any

from msgspec import to_builtins

from core.evidence.pack import EvidenceSection, Figure
from core.evidence.sections.writing import SectionDraft
from core.evidence.sources import Recorded
from core.evidence.subject import Subject, VersionFacts
from core.explain.later_denied import gates_as_shown
from core.json_documents import converted
from core.quality.gate import GateResult

_PACKAGES = ("numpy", "pandas", "scikit-learn", "lightgbm", "scipy", "skops", "bondx-console")


def data(subject: Subject) -> EvidenceSection:
    """Write section 3."""
    draft = SectionDraft(3, "Data")
    for version in subject.versions:
        document = version.document
        lineage = document["lineage"] or {}
        rows = [_lineage_row(document, name, panel) for name, panel in (lineage.get("data") or {}).items()]
        draft.table(
            f"Lineage of {document['key']}",
            ("panel", "rows", "seed", "SHA-256"),
            rows,
            about="What it learned from and was tested on, by the hash of the content.",
        )
        judged = converted(document["gates"] or [], tuple[GateResult, ...])
        found = gates_as_shown(judged, subject.denied)
        names = ("name", "verdict", "value", "comparison", "threshold", "unit", "n_samples", "n_offending")
        gates = [[document.figure(value) for value in map(to_builtins(gate).get, names)] for gate in found]
        draft.table(
            f"Quality gates of {document['key']}",
            ("gate", "verdict", "value", "", "limit", "unit", "samples", "offending"),
            gates,
        )
        if not gates:
            draft.lack(f"{document['key']} was registered without verdicts of quality gates.")
        if found != judged:
            draft.lack(f"What gates of {document['key']} tell of columns of explanation.denied_columns is left out.")
        _missing_values(draft, version.report, str(document["key"]))
        _made_profile(draft, version)
    if subject.final is not None:
        final = subject.final
        rows = [
            [final.figure(panel.get(name)) for name in ("purpose", "n_rows", "n_issuers", "seed", "sha256")]
            for panel in final["panels"] or []
        ]
        draft.table("Panels of the session", ("panel", "rows", "groups", "seed", "SHA-256"), rows)
        quality = final["data_quality"] or {}
        draft.facts += [
            final.fact(f"data quality, {name}", quality[name]) for name in ("mean", "band") if name in quality
        ]
        draft.facts += final.facts(reproduce="command that draws them again")
    draft.lack(
        "The dictionary of the columns and the limits of representativeness: no record of this workspace holds them."
    )
    return draft.written()


def _lineage_row(document: Recorded, name: str, panel: Any) -> list[Figure]:
    if not isinstance(panel, dict):
        return [document.figure(name), Figure("–"), Figure("–"), document.figure(panel)]
    return [document.figure(name), *(document.figure(panel.get(each)) for each in ("n_rows", "seed", "sha256"))]


def _missing_values(draft: SectionDraft, report: Recorded | None, key: str) -> None:
    profile = (report["data_profile"] if report else None) or {}
    shares = {
        column: float(summary["missing"])
        for column, summary in profile.items()
        if isinstance(summary, dict) and isinstance(summary.get("missing"), int | float)
    }
    if report is not None and shares:
        draft.bars(f"Share of missing values, {key}", shares, report.source)


def _made_profile(draft: SectionDraft, version: VersionFacts) -> None:
    """Name a profile of what the version learned from that was made after it was registered."""
    made = version.made_profile
    if made is None:
        return
    key = str(version.document["key"])
    draft.facts += made.facts(
        sha256=f"profile of {key}, made later, SHA-256",
        data_sha256=f"profile of {key}: made from the file with SHA-256",
        n_rows=f"profile of {key}: rows of that file",
        is_held_out=f"profile of {key}: rows that the version did not learn from",
        made_at=f"profile of {key}: made at",
        made_by=f"profile of {key}: made by",
        na=f"profile of {key}: read with --na",
        read=f"profile of {key}: read with --read",
        reason=f"profile of {key}: reason",
    )
    if made["is_unchecked"]:
        draft.facts.append(
            made.fact(f"profile of {key}: whether the version learned from these rows is not known", True)
        )


def development(subject: Subject) -> EvidenceSection:
    """Write section 5."""
    draft = SectionDraft(5, "Development record")
    session, run = subject.session, subject.run
    if session is not None:
        observed = session["observed"] or {}
        draft.facts += session.facts(
            session_id="session", created_by="requested by", created_at="requested at", reason="reason"
        )
        draft.facts += [
            session.fact(name.replace("_", " "), observed[name])
            for name in (
                "phase",
                "epoch",
                "best_epoch",
                "stop_reason",
                "trained_seconds",
                "n_rejected_epochs",
                "started_at",
            )
            if observed.get(name) is not None
        ]
        rows = [[session.figure(name), session.figure(value)] for name, value in (session["settings"] or {}).items()]
        draft.table("Settings of the session", ("setting", "value"), rows)
    else:
        draft.lack(
            "No training session of this workspace made it, so its splits, tuning and seeds are not recorded here."
        )
    if run is not None:
        draft.facts += run.facts(
            run_id="run", status="status of the run", started_at="run started", ended_at="run ended", git="code"
        )
        if not run["git"]:
            draft.lack("The commit of the code: the run was started outside a git repository.")
    elif subject.versions:
        draft.lack("No run is recorded for it.")
    for version in subject.versions:
        lineage = version.document["lineage"] or {}
        draft.facts += [
            version.document.fact(f"{version.document['key']}: {name.replace('_', ' ')}", lineage[name])
            for name in ("random_seed", "settings_sha256", "epochs", "best_epoch", "chosen", "way", "parent")
            if lineage.get(name) is not None
        ]
    if subject.final is not None:
        points = [(each.get("epoch"), each.get("score")) for each in subject.final["history"] or []]
        draft.line("Score by epoch (mean attainment on the validation panel)", points, subject.final.source)
    return draft.written()


def implementation(subject: Subject) -> EvidenceSection:
    """Write section 13."""
    draft = SectionDraft(13, "Implementation checks")
    for version in subject.versions:
        document, environment = version.document, version.environment
        draft.facts += document.facts(checked=f"trial of {document['key']} at its registration")
        if environment is not None:
            draft.facts += environment.facts(python="Python", system="system", machine="machine")
            packages = environment["packages"] or {}
            rows = [[environment.figure(n), environment.figure(packages[n])] for n in _PACKAGES if n in packages]
            draft.table(f"Packages of {document['key']}", ("package", "version"), rows)
        else:
            absence = subject.book.absence(f"{version.folder}/environment.json")
            draft.lack(f"The environment.json of {document['key']} {absence}.")
        if version.manifest is not None:
            files = version.manifest["files"] or {}
            rows = [
                [
                    version.manifest.figure(name),
                    version.manifest.figure(f["size"]),
                    version.manifest.figure(f["sha256"]),
                ]
                for name, f in files.items()
            ]
            draft.table(f"Files of {document['key']}", ("file", "bytes", "SHA-256"), rows)
        else:
            draft.lack(f"The manifest of {document['key']} cannot be read: its files are missing or damaged.")
    draft.lack(
        "Unit tests and the parity with another implementation: no record of this workspace holds their results."
    )
    return draft.written()
