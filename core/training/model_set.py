"""The models of a session, trained side by side: one thread per model, one core per thread."""

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from core.domains.catalogue import create
from core.models import Model, PanelLike, train_all
from core.progress import SideBySide
from core.settings import TrainingSettings
from core.training.epoch_slices import SliceTable
from core.training.metrics import measured, measured_with_answers, measured_with_interval
from core.training.session_domain import domain_of
from core.training.slicing import EpochSlices, Slices, scores_by_slice

T = TypeVar("T")
Figures = dict[str, float]


class ModelSet:
    """All models of a session.

    Models share nothing, and each is deterministic given its seed, so the number of threads cannot change a byte.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        """Make untrained models.

        Raises:
            UninstalledModelError: A name is neither built in nor installed.
            UnknownAlgorithmError: A model does not offer the algorithm in the settings.
        """
        domain = domain_of(settings)
        self._settings = settings
        self._domain = settings.domain
        self.models: dict[str, Model] = {
            name: create(name, algorithm=entry.algorithm, settings=entry.parameters, domain=domain)
            for name, entry in settings.models.items()
        }
        self._n_threads = min(settings.trainer.n_threads or os.cpu_count() or 1, len(self.models))
        self.has_learned = False

    @classmethod
    def of(cls, settings: TrainingSettings, members: dict[str, Model]) -> "ModelSet":
        """Make a set of models that were trained elsewhere."""
        model_set = cls(settings)
        model_set.models, model_set.has_learned = members, True
        return model_set

    @property
    def warnings(self) -> tuple[str, ...]:
        """The models' notes on how they are trained on this machine, each sentence once."""
        return tuple(dict.fromkeys(sentence for model in self.models.values() for sentence in model.warnings))

    def only(self, names: Iterable[str]) -> "ModelSet":
        """Return a set of some of the models (the same objects)."""
        part = copy.copy(self)
        part.models = {name: self.models[name] for name in names}
        return part

    def learn(self, panel: PanelLike, *, seed: int) -> dict[str, float]:
        """Update every model with a panel; return the seconds that each took."""
        seconds = train_all(self.models, panel, seed, self._n_threads)
        self.has_learned = True
        return seconds

    def judge(self, panels: Mapping[str, PanelLike]) -> dict[str, Figures]:
        """Evaluate every model on panels it was not trained on.

        Args:
            panels: By name.
        Returns:
            For each panel, `<model>.<metric>`; NaN or infinity where a metric could not be measured.
        Raises:
            UnusableMetricError: A model returned something that is not a metric.
        """
        by_model = self._side_by_side(
            lambda name, model: {
                panel_name: measured(model, name, panel, domain=self._domain) for panel_name, panel in panels.items()
            }
        )
        return {
            name: {
                f"{model}.{metric}": value
                for model, figures in by_model.items()
                for metric, value in figures[name].items()
            }
            for name in panels
        }

    def judge_by_slice(self, panel: PanelLike, slices: EpochSlices) -> tuple[Figures, dict[str, SliceTable]]:
        """Evaluate every model on a panel as `judge` does, and by slice.

        Args:
            panel: The panel that judges every epoch.
            slices: Its slices.
        Returns:
            `<model>.<metric>`, and the table of each model that has slices.
        Raises:
            UnusableMetricError: A model returned something that is not a metric.
        """

        def measure(name: str, model: Model) -> tuple[Figures, SliceTable | None]:
            figures, answers = measured_with_answers(model, name, panel, domain=self._domain)
            return figures, slices.table(name, answers)

        by_model = self._side_by_side(measure)
        figures = {f"{model}.{name}": value for model, (found, _) in by_model.items() for name, value in found.items()}
        return figures, {model: table for model, (_, table) in by_model.items() if table is not None}

    def test(self, panel: PanelLike, *, seed: int) -> dict[str, Figures]:
        """Measure every model on a test panel, with the interval of its attainment.

        Args:
            panel: The test panel.
            seed: The seed of the resampling.
        Returns:
            The metrics of each model.
        Raises:
            UnusableMetricError: A model returned something that is not a metric.
        """
        return self._side_by_side(
            lambda name, model: measured_with_interval(model, name, panel, seed=seed, domain=self._domain)
        )

    def slices(self, panel: PanelLike) -> dict[str, Slices]:
        """Measure every model on the slices of a test panel."""
        domain = domain_of(self._settings)
        return self._side_by_side(lambda _, model: scores_by_slice(model, panel, domain))

    def save(self, folder: Path) -> None:
        """Write each trained model into a folder of its name."""
        if self.has_learned:
            for name, model in self.models.items():
                model.save(folder / name)

    def load(self, folder: Path) -> None:
        """Load the models that `save` wrote; without saved files they stay untrained.

        Raises:
            ArtifactError: A model cannot be read.
        """
        if folder.is_dir():
            self.models = {name: type(model).load(folder / name) for name, model in self.models.items()}
            self.has_learned = True

    def _side_by_side(self, work: Callable[[str, Model], T]) -> dict[str, T]:
        """Do the same with every model, by name, in parallel; return each model's result in the settings' order."""

        under_way = SideBySide("the models", self.models)

        def one(name: str, model: Model) -> T:
            result = work(name, model)
            under_way.is_done(name)
            return result

        with ThreadPoolExecutor(self._n_threads, thread_name_prefix="model") as threads:
            return dict(zip(self.models, threads.map(one, self.models, self.models.values()), strict=True))
