"""The panes that a view is made of, and the columns of each, as every face names them.

The console draws them (`console/presentation/view_panes.py`); a test holds both lists together.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class PaneKind(NamedTuple):
    """A kind of pane.

    Attributes:
        name: Its name in a file.
        title: The usual title of its frame.
        summary: What a row is.
        columns: The columns to choose from, in the usual order; none for a chart.
    """

    name: str
    title: str
    summary: str
    columns: tuple[str, ...]


_KINDS = (
    PaneKind(
        "alerts",
        "Alerts",
        "alerts about the models, and those about no model, such as a full disk; the worst first",
        ("severity", "state", "summary", "live", "age", "n", "who"),
    ),
    PaneKind(
        "models",
        "Live models",
        "models with their live version, its health and what comes next",
        ("model", "live", "age", "health", "attainment", "next"),
    ),
    PaneKind(
        "health",
        "Health",
        "live versions with their verdicts and the heaviest reason; the worst first",
        ("model", "version", "health", "since", "inputs", "quality", "reason"),
    ),
    PaneKind(
        "drift",
        "Inputs and answers",
        "columns of live versions beside their training data; the largest effect first",
        ("model", "version", "column", "verdict", "psi", "evidence", "importance", "since", "reason"),
    ),
    PaneKind(
        "performance",
        "Performance",
        "metrics of live versions, by outcomes and as estimated without",
        (
            *("model", "version", "basis", "metric", "window", "slice"),
            *("value", "low", "high", "reference", "n", "verdict"),
        ),
    ),
    PaneKind(
        "course",
        "Course of performance",
        "the chart of the metric that decides, of the model under the cursor, else of the worst one",
        (),
    ),
    PaneKind(
        "versions",
        "Versions",
        "registered versions; the newest first",
        ("model", "version", "stage", "attainment", "gates", "age", "who", "session"),
    ),
    PaneKind(
        "rollouts",
        "Rollouts",
        "candidates beside live versions; the active ones first",
        (
            *("rollout", "model", "stable", "candidate", "strategy"),
            *("phase", "step", "share", "decision", "age"),
        ),
    ),
    PaneKind(
        "retrainings",
        "Retrainings",
        "models trained on what is new; the active ones first",
        ("retraining", "model", "live", "new", "trigger", "phase", "step", "age"),
    ),
    PaneKind(
        "sessions",
        "Sessions",
        "training sessions of the models; the active ones first",
        ("session", "name", "phase", "epoch", "score", "best", "gates", "eta", "age"),
    ),
    PaneKind(
        "stress",
        "Stress tests",
        "stress tests of the models, and those without a model; the newest first",
        ("test", "portfolio", "worst", "pnl_share", "impact", "age", "by", "n_instruments", "value", "reason"),
    ),
    PaneKind(
        "cases",
        "Stress cases",
        "the cases of the newest stress test",
        ("test", "scenario", "severity", "pnl_share", "impact", "pnl"),
    ),
    PaneKind(
        "changes",
        "Changes",
        "changes by people and by the engine; the newest first",
        ("sequence", "at", "verb", "object", "actor", "reason"),
    ),
)
PANES: Mapping[str, PaneKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
