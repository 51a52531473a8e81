"""Registering the models of a session, with all the evidence an auditor asks for."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.domains.domain import SessionDomain
from core.quality.gate import GateResult, judge
from core.registry import Registry
from core.state import Workspace
from core.training.records import DrawRecord, EpochRecord, FinalModel, FinalRecord, SessionModelFacts
from core.training.session import Session, without_place
from core.training.session_domain import domain_of
from core.training.specialism import registered_name


def register_models(
    workspace: Workspace,
    session: Session,
    final: FinalRecord,
    last: EpochRecord,
    *,
    folder: Path,
    actor: Actor,
    only: Container[str] | None = None,
) -> tuple[str, ...]:
    """Register each model of a session as the next version of its name.

    The registry recognises a model of the same run and content, so a repetition after a crash
    registers nothing twice.

    Args:
        workspace: The workspace of the registry.
        session: The session.
        final: Its models.
        last: Its last epoch, for the verdicts on the training data.
        folder: Contains the models' folders of `final`.
        actor: The engine.
        only: The models to register; by default all.
    Returns:
        "spread/1.2.0" for each model.
    """
    registry, domain = Registry(workspace), domain_of(session.training)
    keys = []
    for model in final.models:
        if only is not None and model.name not in only:
            continue
        facts = facts_of_model(model, final, last, session.settings, domain)
        version = registry.register(
            registered_name(model.name, session.training.only),
            folder / model.folder,
            metrics=facts.metrics,
            run_id=session.run_id or "",
            session_id=session.session_id,
            lineage=facts.lineage,
            gates=facts.gates,
            actor=actor,
            bump="auto",
            description=facts.description,
        )
        keys.append(version.key)
    return tuple(keys)


def register_text(
    workspace: Workspace, session: Session, facts: SessionModelFacts, *, folder: Path, actor: Actor
) -> str:
    """Register the model of language of a session, as often as it is asked; return its version, "prose/1.2.0".

    Args:
        workspace: The workspace of the registry.
        session: The session.
        facts: What the registry is told.
        folder: The model's files.
        actor: The engine.
    """
    assert session.text is not None
    version = Registry(workspace).register(
        session.text.model,
        folder,
        metrics=facts.metrics,
        run_id=session.run_id or "",
        session_id=session.session_id,
        lineage=facts.lineage,
        gates=facts.gates,
        actor=actor,
        bump="auto",
        description=facts.description,
        reads=True,
    )
    return version.key


def facts_of_model(
    model: FinalModel, final: FinalRecord, last: EpochRecord, settings: dict[str, Any], domain: SessionDomain
) -> SessionModelFacts:
    """Gather what the registry is told of a model.

    Args:
        model: The model.
        final: The end of the training.
        last: Its last epoch, for the verdicts on the training data.
        settings: Of the training, as a document.
        domain: Its domain.
    """
    return SessionModelFacts(
        metrics=named_for_registry(model.metrics, domain.test_panels[0]),
        lineage=_lineage(settings, final, model),
        gates=(*last.learned_gates, leak_gate(model.metrics, final.draws, domain.test_panels)),
        description=f"{model.chosen}, {final.epoch} epochs of {settings['dataset_size']} {_rows(settings, domain)}",
    )


def _rows(settings: dict[str, Any], domain: SessionDomain) -> str:
    """Name the rows of a training: "bonds", or those of its slice, "bonds of sector banks"."""
    only: dict[str, str] = settings.get("only", {})
    return " of ".join((domain.rows, *(f"{name} {value}" for name, value in only.items())))


def settings_digest(settings: dict[str, Any]) -> str:
    """Return the SHA-256 of a session's settings: same digest, same bytes computed.

    Its experiment computes nothing, and its executor computes the same on every kind.
    """
    computing = {name: value for name, value in without_place(settings).items() if name != "experiment_name"}
    return hashlib.sha256(msgspec.json.encode(computing, order="deterministic")).hexdigest()


def named_for_registry(metrics: Mapping[str, float], main_panel: str) -> dict[str, float]:
    """Name the metrics for the registry: those of the main test panel bare, those of other panels with a prefix."""
    return {name.removeprefix(f"{main_panel}."): value for name, value in metrics.items()}


def leak_gate(metrics: Mapping[str, float], draws: Iterable[DrawRecord], panels: Sequence[str]) -> GateResult:
    """Warn of a score that no model could reach: a leak, or luck in one panel of a thousand."""
    alarms = [name.removesuffix(".leak") for name, value in metrics.items() if name.endswith(".leak") and value]
    return judge(
        "no_leak",
        float(len(alarms)),
        "<=",
        0.0,
        unit="test panels",
        n_samples=sum(draw.n_rows for draw in draws if draw.purpose in panels),
        window=f"rows of {len(panels)} test panels",
        reason=f"above the optimum on {', '.join(alarms)}" if alarms else "no score is above the best attainable",
        offending=alarms,
        n_offending=len(alarms),
        blocking=False,
    )


def _lineage(settings: dict[str, Any], final: FinalRecord, model: FinalModel) -> dict[str, Any]:
    return {
        "data": {
            draw.purpose: {"seed": draw.seed, "sha256": draw.sha256, "n_rows": draw.n_rows} for draw in final.draws
        },
        "random_seed": settings["random_seed"],
        "settings_sha256": settings_digest(settings),
        "epochs": final.epoch,
        "best_epoch": final.best_epoch,
        "chosen": model.chosen,
        "way": model.way,
    }
