"""The metrics of stress tests: the newest of each portfolio and version, so that series do not grow with them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.clock import Clock
from core.metrics import catalogue
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.stress.stored_tests import StressTest

MOST_PORTFOLIOS = 10
MOST_VERSIONS = 20
MOST_CASES = 120  # of one portfolio or version
"""What has series: files of positions are named as people like."""


class StressMetrics(Collector):
    """The newest stored stress test of every portfolio, and of every version."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock: Clock) -> None:
        """Remember where to look.

        Args:
            snapshot: Returns what is in the workspace.
            clock: The time.
        """
        self._snapshot = snapshot
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        tests = self._snapshot().stress_tests
        if not tests:
            return
        now = self._clock()
        portfolios: dict[tuple[str, str], StressTest] = {}
        versions: dict[str, StressTest] = {}
        for test in tests:  # the newest first
            portfolios.setdefault((test.domain, test.portfolio), test)
            for name in test.models:
                versions.setdefault(name, test)
        age, pnl, impact = (
            each.family() for each in (catalogue.STRESS_AGE, catalogue.STRESS_PNL, catalogue.STRESS_IMPACT)
        )
        for key, test in list(portfolios.items())[:MOST_PORTFOLIOS]:
            age.add_metric(key, max(0.0, (now - test.created_at).total_seconds()))
            for case in test.cases[:MOST_CASES]:
                pnl.add_metric((*key, case.scenario, case.severity), case.pnl_share)
                impact.add_metric((*key, case.scenario, case.severity), case.impact)
        yield from (catalogue.STRESS_TESTS.family(float(len(tests))), age, pnl, impact)
        yield from _of_versions(versions)


def _of_versions(versions: "dict[str, StressTest]") -> Iterable[Metric]:
    error, attainment, gates = (
        each.family()
        for each in (catalogue.STRESS_MODEL_ERROR, catalogue.STRESS_MODEL_ATTAINMENT, catalogue.STRESS_MODEL_GATES)
    )
    for name, test in list(versions.items())[:MOST_VERSIONS]:
        model, _, version = name.partition("@")
        for case in [case for case in test.model_cases if case.model == name][:MOST_CASES]:
            labels = (model, version, case.scenario, case.severity)
            gates.add_metric(labels, float(case.n_gates))
            if case.error_ratio is not None:
                error.add_metric(labels, case.error_ratio)
            if case.attainment is not None:
                attainment.add_metric(labels, case.attainment)
    return error, attainment, gates
