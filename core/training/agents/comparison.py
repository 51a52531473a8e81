"""The comparison of agents that have finished: for each model, which of them made the best one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.domains.domain import VALIDATION
from core.domains.report_section import ReportSection
from core.training.records import FinalModel, FinalRecord
from core.training.scores import merit
from core.training.session import Session
from core.training.specialism import registered_name

TITLE = "Agents"
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class FinishedAgent:
    """An agent that has finished, and its models."""

    session: Session
    final: FinalRecord

    @property
    def name(self) -> str:
        """Its name under its parent."""
        return self.session.agent.name if self.session.agent is not None else self.session.session_id

    def name_of(self, model: FinalModel) -> str:
        """Return the name of one of its models in the registry."""
        return registered_name(model.name, self.session.training.only)


def best_of(finished: Sequence[FinishedAgent]) -> dict[str, FinishedAgent]:
    """Choose the agent of each name in the registry by its score on the validation panel, which all of them share.

    The test panels decide nothing: the score of the chosen model on them is as honest as without agents. Of two equal
    scores the one of the earlier agent is taken.
    """
    best: dict[str, tuple[float, FinishedAgent]] = {}
    for agent in finished:
        for model in agent.final.models:
            score, key = validation_score(model), agent.name_of(model)
            if key not in best or score > best[key][0]:
                best[key] = (score, agent)
    return {name: agent for name, (_, agent) in best.items()}


def validation_score(model: FinalModel) -> float:
    """Return what decided the way of a model: its score on the validation panel."""
    return model.metrics.get(f"{VALIDATION}.{model.way}", float("-inf"))


def comparison_section(
    finished: Sequence[FinishedAgent],
    best: Mapping[str, FinishedAgent],
    registered: Mapping[str, tuple[str, ...]],
    *,
    test_panel: str,
) -> ReportSection:
    """Write the comparison as a table: a row for each model of each agent, the best of each model first.

    Args:
        finished: The agents.
        best: The best agent of each model.
        registered: The versions registered of each agent, by the id of its session.
        test_panel: The panel whose score is shown beside that of the validation.
    """
    rows = []
    for name, chosen in best.items():
        made = [(agent, model) for agent in finished for model in agent.final.models if agent.name_of(model) == name]
        for agent, model in sorted(made, key=lambda each: (each[0] is not chosen, -validation_score(each[1]))):
            versions = registered.get(agent.session.session_id, ()) if agent is chosen else ()
            version = next((key for key in versions if key.partition("/")[0] == name), NOTHING)
            scores = (validation_score(model), merit(model.metrics, test_panel))
            told = tuple(f"{score:.4f}" for score in scores)
            rows.append((name, agent.name, agent.session.session_id, model.chosen, *told, version))
    return ReportSection(
        title=TITLE,
        about="For each model the agent with the best score on the validation panel is registered; the score on the "
        "test panel decides nothing.",
        columns=("model", "agent", "session", "ships", VALIDATION, test_panel, "registered"),
        rows=tuple(rows),
    )
