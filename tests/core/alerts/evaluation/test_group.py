"""One group of rules: what one of them meets does not keep the others from being evaluated."""

import pytest

from core.alerts.evaluation.group import evaluate_group
from core.alerts.rule_files import load_rule_file
from core.promql import EvaluationLimits, SeriesInMemory

RULES = """\
groups:
  - name: desk
    rules:
      - {alert: Large, expr: "large > 0"}
      - {alert: Always, expr: "vector(1) > 0"}
"""


class Failing(SeriesInMemory):
    """A source that cannot lay out one series."""

    def __init__(self, error):
        super().__init__([])
        self._error = error

    def select(self, matchers, from_ms, to_ms):
        raise self._error


@pytest.mark.parametrize("error", [MemoryError("22.9 TiB"), ZeroDivisionError("by 0"), ValueError("shape")])
def test_what_one_rule_meets_is_its_own_error(tmp_path, error):
    file = tmp_path / "a.yaml"
    file.write_text(RULES, encoding="utf-8")
    (group,) = load_rule_file(file).groups
    outcome = evaluate_group(group, Failing(error), 1_700_000_000_000, lambda _: True)
    assert list(outcome.errors) == [0]
    assert type(error).__name__ in outcome.errors[0]
    assert [len(found) for found in outcome.found.values()] == [1]
    assert list(outcome.found) == [1]


def test_a_rule_that_needs_too_much_has_an_error_and_the_others_are_evaluated(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(RULES.replace("large > 0", "count_over_time(vector(1)[1h:1s]) > 0"), encoding="utf-8")
    (group,) = load_rule_file(file).groups
    limits = EvaluationLimits(max_samples=1000)
    outcome = evaluate_group(group, SeriesInMemory([]), 1_700_000_000_000, lambda _: True, limits)
    assert "more than 1,000 samples" in outcome.errors[0]
    assert list(outcome.found) == [1]
