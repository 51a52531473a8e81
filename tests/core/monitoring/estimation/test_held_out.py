"""The held-out rows in an artifact."""

import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutError, HeldOutRows


def outcomes(n=200, *, classes=("no", "yes")):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "size": rng.normal(size=n),
        "grade": pd.Categorical(rng.choice(["A", "B"], n)),
        "income": rng.normal(size=n),
        "firm": np.arange(n) // 4,
    })  # fmt: skip
    actual = (rng.random(n) < 0.3).astype(float)
    actual[:5] = np.nan
    return Outcomes(frame, rng.random(n), actual, classes)


def of(found, **options):
    return HeldOutRows.of(object(), found, ("grade", "size", "income"), **{"group": "firm", "most": 100, **options})


def test_at_most_as_many_rows_as_asked_are_kept_with_known_outcomes_and_no_name_of_a_group():
    rows = of(outcomes())
    assert len(rows) == 100
    assert np.isfinite(rows.actual).all()
    assert list(rows.rows) == ["grade", "size", "income"]
    assert rows.units.max() < 50
    assert (rows.decided == (rows.answer >= 0.5)).all()


def test_masked_columns_are_left_out_and_named():
    rows = of(outcomes(), masked=("income", "elsewhere"))
    assert list(rows.rows) == ["grade", "size"]
    assert rows.masked == ("income",)


def test_no_rows_are_kept_if_the_settings_say_so_or_no_outcome_is_known():
    assert of(outcomes(), most=0) is None
    assert of(None) is None
    unknown = outcomes()
    unknown.actual[:] = np.nan
    assert of(unknown) is None


@pytest.mark.parametrize("classes", [("no", "yes"), ()], ids=["events", "numbers"])
def test_a_file_holds_what_was_kept_and_the_same_rows_give_the_same_bytes(classes, tmp_path):
    rows = of(outcomes(classes=classes))
    content = rows.to_bytes()
    assert content == of(outcomes(classes=classes)).to_bytes()
    (tmp_path / HELD_OUT_NAME).write_bytes(content)
    again = HeldOutRows.read(tmp_path, "sales/1.0.0")
    assert np.array_equal(again.answer, rows.answer)
    assert np.array_equal(again.actual, rows.actual)
    assert np.array_equal(again.units, rows.units)
    assert again.rows["grade"].tolist() == rows.rows["grade"].astype(str).tolist()
    assert (again.classes, again.group, again.masked) == (classes, "firm", ())


def test_probabilities_of_several_classes_keep_their_columns():
    n = 60
    answer = np.random.default_rng(1).dirichlet(np.ones(3), n)
    found = Outcomes(pd.DataFrame({"x": np.arange(n)}), answer, np.arange(n) % 3.0, ("a", "b", "c"))
    rows = HeldOutRows.of(object(), found, ("x",), group=None, most=50)
    again = HeldOutRows.from_bytes(rows.to_bytes(), "here")
    assert again.answer.shape == (50, 3)
    assert again.decided is None
    assert again.units is None


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 100], ids=["empty", "cut off", "noise"])
def test_a_damaged_file_is_refused_with_its_place_and_the_cure(content, tmp_path):
    (tmp_path / HELD_OUT_NAME).write_bytes(content)
    with pytest.raises(HeldOutError, match=r"sales/1\.0\.0, held_out\.parquet: .*bondx registry verify"):
        HeldOutRows.read(tmp_path, "sales/1.0.0")


def test_a_version_without_the_file_says_why_and_what_to_do(tmp_path):
    with pytest.raises(HeldOutError, match=r"it has no held-out rows: held_out\.rows is 0.*Train it again"):
        HeldOutRows.read(tmp_path, "sales/1.0.0")
