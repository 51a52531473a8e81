"""The documents of monitoring in the workspace: written by the engine, read by every face."""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from core.errors import NotFoundError
from core.monitoring.documents import DriftBudget, LastEstimate, ModelMonitoring, VersionMonitoring

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE = "monitoring"
TABLE = "models"
BUDGET_TABLE = "budget"


class MonitoringStore:
    """One document for each model with a live version. What is observed is no decision, so nothing is audited."""

    def __init__(self, workspace: "Workspace") -> None:
        """Open the documents of a workspace; no file is read yet."""
        self._workspace = workspace

    @property
    def _documents(self) -> "Documents[ModelMonitoring]":
        return self._workspace.database(DATABASE).documents(TABLE, ModelMonitoring, key="model")

    def all(self) -> list[ModelMonitoring]:
        """Return the monitoring of every model."""
        return self._documents.all()

    def find(self, model: str) -> ModelMonitoring | None:
        """Return the monitoring of a model, or None while there is none."""
        return self._documents.find(model)

    def get(self, model: str) -> ModelMonitoring:
        """Return the monitoring of a model.

        Raises:
            NotFoundError: None of its versions is live, or no engine has looked at it yet; the message names the
                watched models.
        """
        if (found := self.find(model)) is None:
            raise not_watched(model, self._documents.all_keys())
        return found

    def last_estimate(self, model: str, version: str | None = None) -> LastEstimate:
        """Return the last estimate of a live version, by default of the stable one.

        Raises:
            NotFoundError: The version is not live, or no engine has estimated it yet.
        """
        found = self.get(model)
        chosen = next((each for each in found.versions if version in (None, each.version)), None)
        if chosen is None:
            live = ", ".join(each.version for each in found.versions)
            raise NotFoundError(f"{model} {version} is not live, so no engine estimates it. Live: {live}.")
        if chosen.estimate is None:
            raise NotFoundError(
                f"No engine has estimated {model} {chosen.version} yet. A running engine does so once an hour."
            )
        return LastEstimate(model=model, version=chosen.version, estimate=chosen.estimate)

    def readable(self) -> dict[str, ModelMonitoring]:
        """Return, by model, the documents that this release can read: the engine writes the others again."""
        return {found.model: found for found in self._documents.readable()[0]}

    def budget(self) -> DriftBudget | None:
        """Return the budget for false alarms of drift; None before a live version was watched."""
        found = self._budgets.readable()[0]
        return found[0] if found else None

    def write_budget(self, budget: DriftBudget) -> None:
        """Store the budget, if anything but its time has changed."""
        before = self.budget()
        if before is not None and replace(before, updated_at=budget.updated_at, revision=budget.revision) == budget:
            return
        with self._workspace.database(DATABASE).transaction():
            table, before = self._budgets, self.budget()
            if before is not None:
                table.replace(replace(budget, revision=before.revision))
                return
            table.remove_all(table.all_keys())  # of another release
            table.insert(budget)

    @property
    def _budgets(self) -> "Documents[DriftBudget]":
        return self._workspace.database(DATABASE).documents(BUDGET_TABLE, DriftBudget, key="name")

    def write(self, documents: Iterable[ModelMonitoring]) -> int:
        """Make the documents those of all models, in one generation of the file, if anything shown has changed.

        Returns:
            How many documents were written or removed.
        """
        wanted = {document.model: document for document in documents}
        known = self.readable()
        changed = [document for document in wanted.values() if _is_news(known.get(document.model), document)]
        gone = [model for model in self._documents.all_keys() if model not in wanted]
        if not changed and not gone:
            return 0
        with self._workspace.database(DATABASE).transaction():
            table = self._documents
            stored, known = set(table.all_keys()), self.readable()
            # A document of another release is taken out first, since its revision cannot be read.
            if out := [*gone, *(each.model for each in changed if each.model in stored and each.model not in known)]:
                table.remove_all(out)
            for document in changed:
                if (before := known.get(document.model)) is not None:
                    table.replace(replace(document, revision=before.revision))
                else:
                    table.insert(document)
        return len(changed) + len(gone)


def not_watched(model: str, watched: Iterable[str]) -> NotFoundError:
    """Return the refusal of a model without a document."""
    return NotFoundError(
        f"No live version of {model!r} has been looked at. Watched models: {', '.join(sorted(watched)) or 'none yet'}. "
        "A running engine looks at every version in Production once a minute."
    )


def worth_writing(before: ModelMonitoring | None, now: ModelMonitoring, figures_every: timedelta) -> ModelMonitoring:
    """Return what to store of a model: figures without a new verdict wait until they are due.

    Args:
        before: What is stored.
        now: What was found.
        figures_every: How long figures may stay as they are.
    """
    if before is None or now.updated_at - before.updated_at >= figures_every or now.updated_at < before.updated_at:
        return now
    same = [_verdicts(version) for version in before.versions] == [_verdicts(version) for version in now.versions]
    return before if same else now


def _verdicts(version: VersionMonitoring) -> tuple[object, ...]:
    """Return what an operator must learn of immediately."""
    drift, performance, estimate = version.drift, version.performance, version.estimate
    worst = performance.worst_slice if performance is not None else None
    return (
        version.version,
        version.role,
        version.health.state,
        [(reason.source, reason.state) for reason in version.health.reasons],
        drift and (drift.verdict, {(each.type, each.name): (each.verdict, each.changed_at) for each in drift.columns}),
        performance and (performance.verdict, worst and (worst.slice, worst.verdict)),
        estimate and estimate.verdict,
        version.labels and (version.labels.draw, version.labels.verdict, version.labels.n_expired),
        version.traffic is None,
        version.failures,
        version.no_profile,
    )


def _is_news(before: ModelMonitoring | None, now: ModelMonitoring) -> bool:
    return before is None or replace(before, updated_at=now.updated_at, revision=now.revision) != now
