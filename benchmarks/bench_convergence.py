"""Epochs and seconds of a session until its score reaches an attainment, with each way to speed it up on and off.

    python benchmarks/bench_convergence.py [--rows 150] [--seeds 20] [--attainment 0.93,0.95] [--algorithm lightgbm]

Each seed is a market of its own. In it, every arm has the draws, the splits and the validation panel of a session, and
runs until its score, the mean attainment of its models, reaches the highest of the attainments. The first arm is the
loop as it is; beside it:

- new models: every epoch fits new models to all draws so far, so nothing is carried over
- from a version: the models of an earlier session of ten epochs, with other draws of the same market, learn on
- falling rate: the trees of an epoch learn at 0.9 times the rate of those before; and the same from twice the rate
- pruning: plain boosting is never dropped, or after the first epoch instead of the third, once it is far behind
- curriculum: the first five epochs draw a third of the rows, and more each time

Seconds are those of the processor, for drawing, learning and judging, on one thread. Ratios are of one seed in one run;
the mean is geometric, its 95 % interval Student's t of the logarithms. An arm that does not reach an attainment counts
with the last epoch, so its ratio is then too low; `reached` says how many seeds did.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean, median

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
import pandas as pd

from core.intervals.units import t_quantile
from core.models import Panel
from core.models.supervised import SupervisedModel
from core.settings import TrainingSettings
from core.settings.training import ModelSettings, TrainerSettings
from core.training.metrics import finite
from core.training.model_set import ModelSet
from core.training.panels import SessionPanels
from core.training.scores import merit
from core.training.session_domain import checked

EARLIER_EPOCHS = 10
EARLIER_SEED = 1_000_000
RISE = 5  # epochs of the curriculum

Parameters = Mapping[str, float]


@dataclass(frozen=True)
class Arm:
    """A way to run the loop."""

    name: str
    parameters: Callable[[Parameters], Parameters] = lambda _: {}  # from the defaults of a model's trees to what is set
    share: Callable[[int], float] = lambda _: 1.0  # of the rows, by epoch
    starts_anew: bool = False
    from_version: bool = False


ARMS = (
    Arm("as it is"),
    Arm("new models", starts_anew=True),
    Arm("from a version", from_version=True),
    Arm("falling rate", lambda _: {"rate_decay": 0.9}),
    Arm("falling from twice", lambda own: {"rate_decay": 0.9, "learning_rate": 2 * own["learning_rate"]}),
    Arm("no pruning", lambda _: {"retire_after": 0}),
    Arm("early pruning", lambda _: {"retire_after": 1}),
    Arm("curriculum", share=lambda epoch: min(1.0, 1 / 3 + (epoch - 1) * 2 / 3 / RISE)),
)


@dataclass
class Course:
    """What an arm has reached in a market."""

    scores: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def until(self, attainment: float) -> tuple[int, float, bool]:
        """Return epochs and seconds to an attainment, and whether it was reached."""
        first = next((k for k, score in enumerate(self.scores, start=1) if score >= attainment), None)
        n_epochs = first or len(self.scores)
        return n_epochs, sum(self.seconds[:n_epochs]), first is not None


def course(settings: TrainingSettings, arm: Arm, *, most_epochs: int, attainment: float) -> Course:
    """Run the loop until it reaches an attainment."""
    panels = SessionPanels(settings)
    validation = panels.validation().panel
    models = _with_parameters(settings, arm)
    model_set = ModelSet(models)
    if arm.from_version:
        model_set.models.update(_earlier(models))
    found, draws = Course(), []
    for epoch in range(1, most_epochs + 1):
        begin = time.process_time()
        n_rows = round(settings.dataset_size * arm.share(epoch))
        drawing = SessionPanels(msgspec.structs.replace(settings, dataset_size=n_rows))
        learned, _ = drawing.split(drawing.epoch(epoch).panel, epoch)
        if arm.starts_anew:
            draws.append(learned.frame)
            model_set, learned = ModelSet(models), Panel(pd.concat(draws, ignore_index=True))
        model_set.learn(learned, seed=epoch)
        figures = finite(model_set.judge({"validation": validation})["validation"])
        found.seconds.append(time.process_time() - begin)
        found.scores.append(fmean(merit(figures, name) for name in model_set.models))
        if found.scores[-1] >= attainment:
            break
    return found


def _with_parameters(settings: TrainingSettings, arm: Arm) -> TrainingSettings:
    made = ModelSet(settings).models
    entries = {}
    for name, entry in settings.models.items():
        own = made[name]
        if isinstance(own, SupervisedModel):
            trees = next((k for k in own.candidates.values() if "learning_rate" in k.defaults), None)
            given = arm.parameters({**trees.defaults, **type(own).tuned}) if trees else {}
            entries[name] = msgspec.structs.replace(entry, parameters={**entry.parameters, **given})
        else:
            entries[name] = entry
    return msgspec.structs.replace(settings, models=entries)


def _earlier(settings: TrainingSettings) -> dict[str, object]:
    """Train the models of an earlier session: other draws of the same market."""
    other = msgspec.structs.replace(settings, random_seed=EARLIER_SEED + settings.random_seed)
    panels, model_set = SessionPanels(other, world_seed=settings.random_seed), ModelSet(other)
    for epoch in range(1, EARLIER_EPOCHS + 1):
        model_set.learn(panels.split(panels.epoch(epoch).panel, epoch)[0], seed=EARLIER_SEED + epoch)
    return dict(model_set.models)


def ratio(of: list[float], to: list[float]) -> str:
    """Write the geometric mean of paired ratios with its interval."""
    logs = np.log(np.array(of) / np.array(to))
    if len(logs) < 2:
        return f"{float(np.exp(logs[0])):.2f}"
    reach = t_quantile(len(logs) - 1) * float(logs.std(ddof=1)) / len(logs) ** 0.5
    low, middle, high = np.exp([logs.mean() - reach, logs.mean(), logs.mean() + reach])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def lines(courses: Mapping[str, list[Course]], attainments: list[float]) -> Iterator[str]:
    """Write a table: a line for each arm and attainment."""
    yield f"{'attainment':<12}{'arm':<20}{'reached':>8}{'epochs':>8}{'ratio':>20}{'seconds':>9}{'ratio':>20}"
    for attainment in attainments:
        base = [found.until(attainment) for found in courses[ARMS[0].name]]
        for name, of_arm in courses.items():
            own = [found.until(attainment) for found in of_arm]
            epochs, seconds = ([float(found[k]) for found in own] for k in (0, 1))
            of_base = [[float(found[k]) for found in base] for k in (0, 1)]
            yield (
                f"{attainment:<12g}{name:<20}{sum(found[2] for found in own):>8}{median(epochs):>8.1f}"
                f"{ratio(epochs, of_base[0]):>20}{median(seconds):>9.2f}{ratio(seconds, of_base[1]):>20}"
            )


def main() -> int:
    """Run every arm in every market, and print the table after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=150, help="rows of a draw")
    parser.add_argument("--seeds", type=int, default=20, help="number of markets")
    parser.add_argument("--attainment", default="0.93,0.95", help="mean attainments to reach, separated by commas")
    parser.add_argument("--most-epochs", type=int, default=30)
    parser.add_argument("--algorithm", default="auto", help="of every model that has it")
    parser.add_argument("--only", default="", help="names of arms beside the loop as it is, separated by commas")
    arguments = parser.parse_args()
    attainments = sorted(map(float, arguments.attainment.split(",")))
    wanted = set(filter(None, arguments.only.split(",")))
    arms = [arm for arm in ARMS if arm is ARMS[0] or not wanted or arm.name in wanted]
    courses: dict[str, list[Course]] = {arm.name: [] for arm in arms}
    for seed in range(1, arguments.seeds + 1):
        settings = TrainingSettings(random_seed=seed, dataset_size=arguments.rows, trainer=TrainerSettings(n_threads=1))
        settings = checked(settings)
        if arguments.algorithm != "auto":
            entry = ModelSettings(algorithm=arguments.algorithm)
            named = {name: entry for name in settings.models if name != "anomaly"}
            settings = checked(msgspec.structs.replace(settings, models=named))
        if seed == 1:
            course(settings, ARMS[0], most_epochs=1, attainment=1.0)  # imports
        for arm in arms[seed % len(arms) :] + arms[: seed % len(arms)]:  # no arm is always the first
            found = course(settings, arm, most_epochs=arguments.most_epochs, attainment=attainments[-1])
            courses[arm.name].append(found)
        print(f"\n{seed} of {arguments.seeds} markets, {arguments.rows} rows a draw, {arguments.algorithm}", flush=True)
        print("\n".join(lines(courses, attainments)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
