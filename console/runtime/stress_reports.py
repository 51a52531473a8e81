"""The reports of stress tests, read in a thread and kept while a screen shows them."""

from typing import TYPE_CHECKING

from core.errors import NotFoundError
from core.state import Workspace

if TYPE_CHECKING:
    from core.domains.stress import StressMetric, StressScenario
    from core.stress.report import StressReport
    from core.stress.stored_tests import StressTest

_MOST_KEPT = 4


class StressReports:
    """Reads reports. A report never changes, so it is known by its hash, in the past too."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._kept: dict[str, StressReport] = {}

    def known(self, test: "StressTest | None") -> "StressReport | None":
        """Return a report that was read before."""
        return None if test is None else self._kept.get(test.sha256)

    def read(self, test: "StressTest") -> "StressReport":
        """Read a report; call it in a thread.

        Raises:
            NotFoundError: It is gone, or is not what the test wrote.
        """
        if (kept := self._kept.get(test.sha256)) is not None:
            return kept
        from core.stress.stored_tests import StressTests

        tests = StressTests(self._workspace)
        if tests.get(test.test_id).sha256 != test.sha256:  # of the past: a later test has taken the number
            raise NotFoundError(f"The report of {test.test_id} is gone: it was removed since.")
        report = tests.report(test.test_id)
        self._kept = dict([*self._kept.items(), (test.sha256, report)][-_MOST_KEPT:])
        return report


def words_of(report: "StressReport", name: str) -> "tuple[dict[str, StressMetric], StressScenario | None]":
    """Return what the domain says about its figures and about a scenario; nothing if it is not installed any more.

    Call it in a thread: the engine of a domain takes a while to import.
    """
    from core.errors import CoreError
    from core.stress.choosing import stress_engine

    try:
        engine = stress_engine(report.domain)
    except CoreError:
        return {}, None
    metrics = {metric.name: metric for metric in engine.metrics}
    return metrics, next((scenario for scenario in engine.scenarios if scenario.name == name), None)
