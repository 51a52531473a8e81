""":eval in the console: series and values, and faults with their place."""

import pytest

from console.dialogs.text import TextDialog
from console.presentation.expression import MAX_LINES, fault_lines, value_lines
from core.alerts.evaluation.listing import EvaluatedSample
from core.promql import EvaluationLimits, Expression, PromqlError, SeriesInMemory, SeriesSamples
from tests.console.conftest import NOW


async def evaluated(console, text):
    await console.press("colon", *f"eval {text}", "enter")
    await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
    await console.settled()
    return console.text()


async def test_eval_shows_values_and_points_at_a_fault(open_console):
    async with open_console((80, 24)) as console:
        shown = await evaluated(console, "vector(1) + 41")
        assert "1 series at" in shown
        assert "42" in shown
        await console.press("escape")
        shown = await evaluated(console, "bondx_session_epoch > 1e9")
        assert "No series" in shown
        await console.press("escape")
        shown = await evaluated(console, "bondx_drift_ps > 0")
        assert "No metric 'bondx_drift_ps' is known: did you mean bondx_drift_psi" in " ".join(shown.split())
        await console.press("escape")
        shown = await evaluated(console, "rate(up)")
        assert "rate(up)" in shown
        assert "expected" in shown.casefold()
        await console.press("escape", "colon", *"eval", "enter")
        assert "Usage: :eval EXPR" in console.sentence


def test_the_place_of_a_fault_is_in_view_in_a_long_expression():
    text = "a + " * 200 + "? "
    lines = fault_lines(text, "unexpected", text.index("?"))
    assert lines[0].text[lines[1].text.index("^")] == "?"


def test_a_table_is_bounded():
    samples = [EvaluatedSample(labels={"n": str(n)}, value=1.0, text="1") for n in range(MAX_LINES + 5)]
    lines = value_lines(samples, NOW)
    assert len(lines) == MAX_LINES + 3
    assert "5 more" in lines[-1].text


def test_an_expression_that_reads_without_end_is_refused():
    import numpy as np

    source = SeriesInMemory([SeriesSamples((("__name__", "a"),), np.arange(1, 101), np.ones(100))])
    expression = Expression.parse("sum_over_time(a[1h])")
    assert expression.at(source, 100, EvaluationLimits(max_samples=101).begin())  # 100 are read, 1 is the result
    with pytest.raises(PromqlError, match="more than 99 samples"):
        expression.at(source, 100, EvaluationLimits(max_samples=99).begin())
