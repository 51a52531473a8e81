"""What the trials of a session are scored on: the folds of a draw that nothing else uses.

All of it is a function of the session's settings. So a worker elsewhere is sent the settings, and draws the rows
itself.
"""

from collections.abc import Mapping
from functools import cached_property

from core.arrays import BoolArray
from core.domains.catalogue import create
from core.executors.packing import PlainValue
from core.json_documents import converted
from core.models.interface import Panel, PanelLike
from core.models.learners.samples import group_folds
from core.models.supervised import SupervisedModel
from core.models.tuning.ranges import ParameterValue
from core.models.tuning.search import scored
from core.progress import begins
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.training.panels import Draw, SessionPanels
from core.training.session import as_document
from core.training.tuning.plan import rows_of
from core.training.tuning.verdict import row_losses


class TrialScores:
    """The rows of one session's searches, and the losses of recipes on them.

    Args:
        settings: The session's settings.
        panels: Draws the rows.
    """

    def __init__(self, settings: TrainingSettings, panels: SessionPanels) -> None:
        self._settings = settings
        self._panels = panels

    @cached_property
    def draw(self) -> Draw:
        """All rows of the searches."""
        begins("the draw of the search")
        return self._panels.tuning(rows_of(self._settings))

    @cached_property
    def parts(self) -> list[tuple[PanelLike, PanelLike]]:
        """For each fold the rows to learn from, and the rows to judge; none if there is a single group."""
        panel, group = self.draw.panel, self._panels.group_codes(self.draw.panel.frame)
        seed = derive_seed(self._settings.random_seed, "tuning folds")
        folds = group_folds(group, self._settings.tuning.folds, seed=seed)
        return [(_rows(panel, ~fold), _rows(panel, fold)) for fold in folds] if len(folds) > 1 else []

    def fitted(
        self, model: str, algorithm: str, parameters: Mapping[str, ParameterValue], panel: PanelLike
    ) -> SupervisedModel:
        """Train a model with parameters."""
        made = create(model, algorithm=algorithm, settings=parameters, domain=self._panels.domain)
        assert isinstance(made, SupervisedModel)
        made.update(panel, seed=derive_seed(self._settings.random_seed, "tuning fit"))
        return made

    def loss(self, model: str, algorithm: str, parameters: Mapping[str, ParameterValue], fold: int) -> float:
        """Return the mean loss on a fold of a model that learned from the others."""
        learned, judged = self.parts[fold]
        return float(row_losses(self.fitted(model, algorithm, parameters, learned), judged.frame).mean())

    def sent(self, model: str, algorithm: str) -> PlainValue:
        """Return what the trials of a model share, for a worker elsewhere."""
        return {
            "settings": as_document(self._settings),
            "world_seed": self._panels.world_seed,
            "model": model,
            "algorithm": algorithm,
        }


class SessionTrials:
    """The trials of one model of a session on a worker."""

    def __init__(self, shared: PlainValue) -> None:
        settings = converted(shared["settings"], TrainingSettings)
        self._scores = TrialScores(settings, SessionPanels(settings, world_seed=int(shared["world_seed"])))
        self._model, self._algorithm = str(shared["model"]), str(shared["algorithm"])

    def do(self, task: PlainValue) -> PlainValue:
        """Score parameters on a fold."""
        parameters, fold = task
        return scored(
            lambda own, number: self._scores.loss(self._model, self._algorithm, own, number), parameters, fold
        )


def _rows(panel: PanelLike, keep: BoolArray) -> Panel:
    truth = None if panel.truth is None else panel.truth[keep].reset_index(drop=True)
    return Panel(panel.frame[keep].reset_index(drop=True), truth)
