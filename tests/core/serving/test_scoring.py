"""Compiled scorers answer what their models answer, row by row, whatever the row holds."""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.models.anomaly import FOREST
from core.domains.bonds.models.anomaly_scorer import ForestScorer, ResidualScorer
from core.domains.catalogue import create, load_model
from core.domains.table.models import TableModel
from core.domains.table.models.compiled import TableScorer
from core.models.scoring.fields import Rows
from core.models.scoring.supervised import SupervisedScorer
from core.models.supervised import SupervisedModel
from core.serving.scoring import warming
from core.serving.scoring.frames import frame_of
from core.serving.scoring.scorer import FrameScorer, compiled
from core.serving.scoring.warming import probes, warm_scorer
from core.tables import ColumnKind as TableKind
from core.tables import ColumnSignature, TableSignature, Task

EXACT = {"rtol": 0.0, "atol": 0.0}
CLOSE = {"rtol": 1e-12, "atol": 1e-12}  # sums of the same terms in another order


def rows_from(scorer, bonds):
    signature = scorer.signature
    numbers = bonds[[field.name for field in signature.numbers]].to_numpy(dtype=np.float64, na_value=np.nan)
    table = bonds[[field.name for field in signature.texts]].astype(object)
    texts = [
        tuple(None if value != value else str(value)[:10] if "date" in name else value for name, value in row.items())
        for row in table.to_dict(orient="records")
    ]
    return Rows(numbers, texts)


def one_by_one(scorer, rows):
    answers = [scorer.answer(Rows(rows.numbers[k : k + 1], rows.texts[k : k + 1])) for k in range(len(rows))]
    return np.concatenate(answers)


@pytest.mark.parametrize("name", ["spread", "spread_other", "downgrade", "liquidity_shock", "anomaly"])
def test_one_row_is_scored_as_by_the_model(name, artifacts, models, bonds):
    scorer, few = warm_scorer(artifacts / name), bonds.head(60)
    expected = np.concatenate([models[name].predict(few.iloc[k : k + 1]) for k in range(len(few))])
    np.testing.assert_allclose(one_by_one(scorer, rows_from(scorer, few)), expected, **CLOSE)


@pytest.mark.parametrize("name", ["spread", "spread_other", "downgrade", "liquidity_shock"])
def test_a_batch_is_scored_exactly_as_by_the_model(name, artifacts, models, bonds):
    scorer = warm_scorer(artifacts / name)
    np.testing.assert_allclose(scorer.answer(rows_from(scorer, bonds)), models[name].predict(bonds), **EXACT)


def test_generated_rows_at_the_limits_score_equally_alone_and_in_a_batch(artifacts):
    for name in ("spread", "spread_other", "anomaly"):
        scorer = warm_scorer(artifacts / name)
        rows = probes(scorer.signature, 50)
        np.testing.assert_allclose(one_by_one(scorer, rows), scorer.answer(rows), **CLOSE)


@pytest.mark.parametrize("algorithm", ["lightgbm", "random_forest", "hist_gradient_boosting", "auto"])
def test_every_algorithm_has_its_parity(algorithm, tmp_path, bonds):
    model = create("spread", algorithm=algorithm)
    for seed in (1, 2):
        model.update(generate(PanelSettings(n_rows=150, seed=seed)), seed=seed)
    model.save(tmp_path)
    scorer = warm_scorer(tmp_path)
    assert isinstance(scorer.rows, SupervisedScorer)
    few = bonds.head(20)
    np.testing.assert_allclose(one_by_one(scorer, rows_from(scorer, few)), model.predict(few), **CLOSE)


def test_trees_on_the_linear_offset_are_added_to_it(tmp_path, bonds, monkeypatch):
    monkeypatch.setattr(SupervisedModel, "shipping", "boosting_on_linear")
    model = create("spread")
    model.update(generate(PanelSettings(n_rows=300, seed=1)), seed=1)
    model.save(tmp_path)
    scorer = warm_scorer(tmp_path)
    assert isinstance(scorer.rows, SupervisedScorer)
    few = bonds.head(20)
    np.testing.assert_allclose(one_by_one(scorer, rows_from(scorer, few)), model.predict(few), **CLOSE)


@pytest.mark.parametrize(
    ("task", "algorithm", "classes", "is_fast"),
    [
        pytest.param(Task.REGRESSION, "lightgbm", (), True, id="a number by trees"),
        pytest.param(Task.REGRESSION, "linear", (), True, id="a number by a line"),
        pytest.param(Task.CLASSIFICATION, "lightgbm", ("0", "1"), True, id="two classes by trees"),
        pytest.param(Task.CLASSIFICATION, "lightgbm", ("0", "1", "2"), True, id="three classes by trees"),
        pytest.param(Task.CLASSIFICATION, "hist_gradient_boosting", ("0", "1"), False, id="by a method without haste"),
        pytest.param(Task.REGRESSION, "blend", (), True, id="a number by a blend"),
        pytest.param(Task.CLASSIFICATION, "blend", ("0", "1"), True, id="two classes by a blend"),
        pytest.param(Task.CLASSIFICATION, "blend", ("0", "1", "2"), True, id="three classes by a blend"),
    ],
)
def test_a_table_model_is_scored_without_a_table(task, algorithm, classes, is_fast, tmp_path, monkeypatch):
    if algorithm == "blend":
        algorithm = "auto"
        monkeypatch.setattr("core.models.learners.blend._grid", lambda _: [(0.4, 0.6)])
        monkeypatch.setattr("core.domains.table.models.choice._is_as_good", lambda s: s.candidate == "blend")
    columns = (
        ColumnSignature(name="grade", kind=TableKind.CATEGORY, allows_missing=True, levels=("A", "B", "C")),
        ColumnSignature(name="size", kind=TableKind.NUMBER, allows_missing=True),
        ColumnSignature(name="is_new", kind=TableKind.FLAG, allows_missing=False),
        ColumnSignature(name="floor", kind=TableKind.INTEGER, allows_missing=False, least=0, most=9),
    )
    random = np.random.default_rng(5)
    table = pd.DataFrame({"grade": random.choice(["A", "B", "C"], 300), "size": random.normal(size=300)})
    table = table.assign(is_new=random.random(300) < 0.5, floor=random.integers(0, 9, 300))
    score = table["size"] + (table["grade"] == "B") + table["is_new"] + table["floor"] / 9
    table["y"] = pd.qcut(score, len(classes), labels=False).astype(float) if classes else score
    model = TableModel.described(
        TableSignature(task=task, target="y", classes=classes, columns=columns), algorithm=algorithm
    )
    model.fit(table, seed=1)
    model.save(tmp_path)
    scorer = warm_scorer(tmp_path)
    assert isinstance(scorer.rows, TableScorer)
    assert scorer.is_fast == is_fast
    rows = probes(scorer.signature, 40)
    rows.texts[7] = ("never seen",)
    expected = FrameScorer(load_model(tmp_path), scorer.signature).answer(rows)
    np.testing.assert_allclose(scorer.answer(rows), expected, **EXACT)
    np.testing.assert_allclose(one_by_one(scorer, rows), expected, **CLOSE)


class CarefulModel(TableModel):
    """As a user's package may have one: it does something of its own before it answers."""

    name = "careful"

    def predict(self, frame):
        return super().predict(frame)


@pytest.mark.parametrize(("kind", "is_compiled"), [(TableModel, True), (CarefulModel, False)], ids=["ours", "theirs"])
def test_a_model_with_its_own_predict_is_served_through_it(kind, is_compiled):
    columns = (ColumnSignature(name="size", kind=TableKind.NUMBER, allows_missing=False),)
    model = kind.described(TableSignature(task=Task.REGRESSION, target="y", classes=(), columns=columns))
    sizes = np.random.default_rng(5).normal(size=300)
    model.fit(pd.DataFrame({"size": sizes, "y": 2 * sizes}), seed=1)
    assert (compiled(model) is not None) == is_compiled


def test_the_compiled_forest_isolates_as_the_model_does(bonds):
    model = create("anomaly", algorithm=FOREST)
    model.update(generate(PanelSettings(n_rows=300, seed=3)), seed=3)
    forest = ForestScorer(model.forest)
    numbers = bonds[[field.name for field in forest.fields]].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = Rows(numbers, [()] * len(numbers))
    np.testing.assert_allclose(forest.answer(rows), model.predict(bonds), **CLOSE)


def test_an_anomaly_is_scored_by_its_own_dates(artifacts):
    scorer = warm_scorer(artifacts / "anomaly")
    assert isinstance(scorer.rows, ResidualScorer)
    rows = probes(scorer.signature, 4)  # the last of them is within all limits
    one, (*others, _, _) = rows.numbers[3:], rows.texts[3]
    sound = scorer.answer(Rows(one, [(*others, "2020-01-01", "2030-01-01")]))
    turned = scorer.answer(Rows(one, [(*others, "2030-01-01", "2020-01-01")]))
    assert turned - sound == pytest.approx(25.0)


def test_threads_do_not_disturb_each_other(artifacts):
    scorer = warm_scorer(artifacts / "spread_other")
    rows = probes(scorer.signature, 40)
    expected, wrong = one_by_one(scorer, rows), []

    def ask() -> None:
        for _ in range(20):
            if not np.array_equal(one_by_one(scorer, rows), expected):
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_scorer_that_differs_from_its_model_is_not_used(artifacts, monkeypatch, caplog):
    monkeypatch.setattr(SupervisedScorer, "answer", lambda self, rows: np.full(len(rows), 1.0))
    scorer = warm_scorer(artifacts / "spread")
    assert isinstance(scorer, FrameScorer)
    assert "its own predict" in caplog.text
    rows = probes(scorer.signature, 5)
    expected = load_model(artifacts / "spread").predict(frame_of(scorer.signature, rows))
    np.testing.assert_allclose(scorer.answer(rows), expected, **EXACT)


def test_a_model_without_a_compiled_scorer_is_served_through_its_own_predict(artifacts, monkeypatch):
    def unsupported(model):
        raise warming.UnsupportedSpaceError("nobody knows this column")

    monkeypatch.setattr(warming, "compiled", unsupported)
    scorer = warm_scorer(artifacts / "downgrade")
    assert not scorer.is_fast


def test_a_damaged_artifact_is_refused(artifacts: Path, tmp_path: Path):
    from core.models.errors import ArtifactError

    for file in (artifacts / "spread").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "arrays.npz").write_bytes(b"x")
    with pytest.raises(ArtifactError):
        warm_scorer(tmp_path)
