"""Models as ONNX: onnxruntime gives the answers of every learner, on usual rows, edge rows and at every split."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.domains.table.models.imported import imported_trees
from core.domains.table.models.model import TableModel
from core.errors import UsageError
from core.explain.deny_list import DenyList
from core.interop.onnx_learners import NotWrittenInOnnxError
from core.interop.onnx_model import require_onnx, written_onnx
from core.interop.onnx_parity import ParityError, answers_of_onnx, compare
from core.models.learners.algorithms import fit_once
from core.models.learners.blend import BlendLearner
from core.models.learners.samples import JudgingFold, Matrices, Sample
from core.tables.signature import ColumnKind, ColumnSignature, TableSignature, Task

needs_onnx = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed here: pip install 'bondx-console[onnx]'",
)
COLUMNS = (
    ColumnSignature(name="area m²", kind=ColumnKind.NUMBER, allows_missing=True, least=-9.0, most=9.0),
    ColumnSignature(name="floor", kind=ColumnKind.INTEGER, allows_missing=False, least=0.0, most=8.0),
    ColumnSignature(name="city", kind=ColumnKind.CATEGORY, allows_missing=True, levels=tuple("uvwxyz")),
    ColumnSignature(name="lift", kind=ColumnKind.FLAG, allows_missing=False, least=0.0, most=1.0),
)
EMPTY = ColumnSignature(name="note", kind=ColumnKind.CATEGORY, allows_missing=True)
CLASSES = {"rent": (), "let": ("no", "yes"), "kind": ("high", "low", "mid")}


@cache
def rows() -> pd.DataFrame:
    """Rows with empty cells in both kinds of columns, and effects of all of them."""
    random, n = np.random.default_rng(1), 300
    frame = pd.DataFrame(
        {
            "area m²": random.normal(size=n) * 3,
            "floor": random.integers(0, 9, n),
            "city": pd.Categorical(random.choice(list("uvwxyz"), n)),
            "lift": random.integers(0, 2, n).astype(bool),
            "note": pd.Categorical([None] * n),
        }
    )
    effect = frame["city"].map(dict(zip("uvwxyz", (0, 3, -2, 1, 5, -4), strict=True))).astype(float)
    rent = frame["area m²"] ** 2 + frame["floor"] + effect + random.normal(size=n)
    frame.loc[random.random(n) < 0.1, "area m²"] = np.nan
    frame.loc[random.random(n) < 0.1, "city"] = np.nan
    frame["rent"] = rent
    frame["let"] = pd.Categorical(np.where(rent > 8, "yes", "no"))
    frame["kind"] = pd.Categorical(np.select([rent < 4, rent < 12], ["low", "mid"], "high"))
    return frame


def signature(target: str | None) -> TableSignature:
    if target is None:
        return TableSignature(task=Task.ANOMALY, target=None, columns=COLUMNS)
    task = Task.CLASSIFICATION if CLASSES[target] else Task.REGRESSION
    kind = ColumnKind.CATEGORY if CLASSES[target] else ColumnKind.NUMBER
    return TableSignature(task=task, target=target, target_kind=kind, classes=CLASSES[target], columns=COLUMNS)


def table_model(target: str | None, name: str, **parameters: object) -> TableModel:
    """Return a model whose learner is of one method, whatever would ship."""
    model = TableModel.described(signature(target), parameters=parameters and {})
    model.parameters = dict(parameters)
    return with_learner(model, model.learner_of(fit_once(name)))


def with_learner(model: TableModel, learner) -> TableModel:
    frame = rows()
    target = model.scaled(model.target_of(frame))
    sample = Sample(Matrices.of(model.matrix(frame)), target, np.ones(len(frame)), np.arange(len(frame)))
    half = np.arange(len(frame)) % 2 == 0
    folds = [JudgingFold(np.flatnonzero(half), np.flatnonzero(~half))]
    learner.tune(sample, folds, seed=0)
    learner.learn(sample, seed=0)
    model.take(learner, account={"why": "asked for"}, importance={})
    return model


def parity(model, frame: pd.DataFrame | None = None):
    written = written_onnx(model, {})
    return compare(answers_of_onnx(written.onnx.content), written.scored, written.fields, frame, written.splits)


SMALL_FOREST = {"n_estimators": 8}
METHODS = [
    *[pytest.param(target, "constant", {}, id=f"constant, {target}") for target in ("rent", "let", "kind")],
    *[pytest.param(target, "linear", {}, id=f"linear, {target}") for target in ("rent", "let", "kind")],
    *[
        pytest.param(target, "lightgbm", {"max_trees": 15}, id=f"lightgbm, {target}")
        for target in ("rent", "let", "kind")
    ],
    *[
        pytest.param(target, name, SMALL_FOREST, id=f"{name}, {target}")
        for name in ("random_forest", "gradient_boosting")
        for target in ("rent", "let", "kind")
    ],
    pytest.param("rent", "hist_gradient_boosting", {"max_iter": 15}, id="histograms, rent"),
    pytest.param("let", "hist_gradient_boosting", {"max_iter": 15}, id="histograms, let"),
    pytest.param(None, "isolation_forest", {"n_estimators": 10}, id="isolation forest"),
    *[
        pytest.param(target, name, {"members": "linear, lightgbm", **more}, id=f"{name} {more}, {target}")
        for target in ("rent", "let")
        for name, more in (
            ("voting", {"voting": "soft"}),
            ("voting", {"voting": "hard", "members": "linear, lightgbm, hist_gradient_boosting"}),
            ("voting", {"voting": "hard"}),
            ("voting", {"voting": "weighted"}),
            ("blending", {}),
            ("stacking", {}),
            ("stacking", {"meta_learner": "lightgbm"}),
        )
    ],
]


@needs_onnx
@pytest.mark.parametrize(("target", "name", "parameters"), METHODS)
def test_every_method_of_tables_is_written_with_its_own_answers(target, name, parameters):
    model = table_model(target, name, **parameters)
    found = parity(model, rows())

    assert found.n_held_out == len(rows())
    assert found.largest < 1e-9  # doubles throughout, though 1e-6 would be allowed


@needs_onnx
def test_xgboost_is_written_with_its_own_answers():
    pytest.importorskip("xgboost", reason="XGBoost is not installed here: make interop runs this with it")
    for target in ("rent", "let"):
        # XGBoost sums its leaves in single precision.
        assert parity(table_model(target, "xgboost", n_estimators=10), rows()).largest < 1e-6


@needs_onnx
def test_a_category_without_a_level_is_always_missing():
    columns = (*COLUMNS, EMPTY)
    model = TableModel.described(TableSignature(task=Task.REGRESSION, target="rent", columns=columns))
    assert parity(with_learner(model, model.learner_of(fit_once("linear"))), rows()).largest < 1e-9


@needs_onnx
@pytest.mark.parametrize("form", ["plain", "asinh", "scores", "hinges"])
def test_every_form_of_numbers_is_written(form, monkeypatch):
    import core.models.learners.standardised_linear as linear

    monkeypatch.setattr(linear, "FORMS", (form,))
    model = table_model("rent", "linear")
    assert model.learner is not None
    assert model.learner.tuned["numbers"] == form
    assert parity(model, rows()).largest < 1e-9


@needs_onnx
def test_a_blend_is_the_weighted_mean_of_its_parts():
    model = TableModel.described(signature("kind"))
    parts = {name: table_model("kind", name).learner for name in ("linear", "constant")}
    blend = BlendLearner(*model._of_learners(), n_classes=3).of(parts)
    blend.weights = (0.25, 0.75)
    model.take(blend, account={"why": "asked for"}, importance={})
    assert parity(model, rows()).largest < 1e-9


@needs_onnx
@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"objective": "poisson"}, id="an exponential link"),
        pytest.param({"objective": "binary", "sigmoid": 2.0}, id="a steeper sigmoid"),
        pytest.param({"zero_as_missing": True}, id="zero is missing"),
        pytest.param({"use_missing": False}, id="missing is zero"),
        pytest.param({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, id="a mean of trees"),
    ],
)
def test_imported_trees_keep_their_objective_and_their_reading_of_missing_cells(parameters):
    import lightgbm as lgb

    frame = rows()
    matrix = frame[["area m²", "floor"]].to_numpy(dtype=float)
    target = (frame["rent"] > 8).astype(float)
    data = lgb.Dataset(np.where(matrix == 3, 0.0, matrix), target, params={"verbosity": -1})
    booster = lgb.train({"verbosity": -1, "num_threads": 1, "num_leaves": 7, **parameters}, data, 8)
    model = imported_trees(booster.model_to_string(), columns=None, target="let", why="imported")
    assert parity(model).largest < 1e-9


@needs_onnx
def test_an_objective_without_a_form_is_refused_by_its_name():
    import lightgbm as lgb

    data = lgb.Dataset(rows()[["floor"]].to_numpy(dtype=float), rows()["rent"].abs(), params={"verbosity": -1})
    booster = lgb.train({"verbosity": -1, "num_threads": 1, "objective": "regression", "reg_sqrt": True}, data, 3)
    model = imported_trees(booster.model_to_string(), columns=None, target="rent", why="imported")
    with pytest.raises(NotWrittenInOnnxError, match="the objective regression sqrt of its LightGBM trees"):
        written_onnx(model, {})


@cache
def bonds():
    return generate(PanelSettings(n_rows=600, seed=3, macro_seed=5))


SESSION_MODELS = [
    pytest.param("spread", "auto", {}, id="linear core with trees, hyperbolic sine"),
    pytest.param("spread", "lightgbm", {"first_trees": 10}, id="trees from the mean"),
    pytest.param("spread", "random_forest", SMALL_FOREST, id="forest"),
    pytest.param("downgrade", "linear", {}, id="log odds"),
    pytest.param("downgrade", "hist_gradient_boosting", {"max_iter": 10}, id="histograms, log odds"),
    pytest.param("liquidity_shock", "voting", {"members": "lightgbm, linear", "voting": "hard"}, id="majority"),
    pytest.param("spread", "voting", {"members": "lightgbm, linear"}, id="mean"),
    pytest.param("downgrade", "stacking", {"members": "lightgbm, linear", "folds": 3}, id="meta-learner"),
    pytest.param(
        "spread",
        "stacking",
        {"members": "lightgbm, linear", "folds": 3, "meta_learner": "lightgbm"},
        id="meta-learner of trees",
    ),
]


@needs_onnx
@pytest.mark.parametrize(("name", "algorithm", "settings"), SESSION_MODELS)
def test_every_method_of_sessions_is_written_with_its_own_answers(name, algorithm, settings):
    model = create(name, algorithm=algorithm, settings=settings)
    model.update(bonds(), seed=0)
    assert parity(model, bonds().frame).n_held_out == len(bonds().frame)


@needs_onnx
def test_the_same_model_gives_the_same_bytes():
    first, again = (written_onnx(table_model("rent", "lightgbm", max_trees=5), {}).onnx.content for _ in range(2))
    assert first == again


@needs_onnx
def test_the_file_is_refused_by_runtimes_that_answer_some_trees_wrongly():
    # Up to 1.23, onnxruntime answers some trees of doubles wrongly, and knows no opset beyond 23.
    onnx = pytest.importorskip("onnx")
    read = onnx.load_model_from_string(written_onnx(table_model("rent", "constant"), {}).onnx.content)
    assert {each.domain: each.version for each in read.opset_import} == {"": 24, "ai.onnx.ml": 5}


@needs_onnx
def test_a_model_without_a_form_is_refused_with_the_part():
    model = create("anomaly", algorithm="residual")
    model.update(bonds(), seed=0)
    with pytest.raises(NotWrittenInOnnxError, match="the method of anomaly is no sum, tree or linear model"):
        written_onnx(model, {})


@needs_onnx
def test_a_column_of_dates_is_refused():
    columns = (*COLUMNS, ColumnSignature(name="signed", kind=ColumnKind.TIME, allows_missing=False))
    model = TableModel.described(TableSignature(task=Task.REGRESSION, target="rent", columns=columns))
    model.take(table_model("rent", "constant").learner, account={"why": "asked for"}, importance={})
    with pytest.raises(NotWrittenInOnnxError, match="is a date"):
        written_onnx(model, {})


@needs_onnx
def test_an_answer_that_differs_by_more_than_a_millionth_is_refused_with_its_row():
    written = written_onnx(table_model("rent", "linear"), {})
    arguments = (written.fields, rows(), written.splits)
    assert (
        compare(
            answers_of_onnx(written.onnx.content), lambda some: written.scored(some) * (1 + 1e-7), *arguments
        ).largest
        > 5e-8
    )
    with pytest.raises(ParityError, match=r'for the row \{"area m²":.*"floor":.*Nothing was written'):
        compare(answers_of_onnx(written.onnx.content), lambda some: written.scored(some) * (1 + 3e-6), *arguments)
    with pytest.raises(ParityError) as refused:
        compare(
            answers_of_onnx(written.onnx.content),
            lambda some: some.numbers[:, 0],
            *arguments,
            denied=DenyList(["area*"]),
        )
    assert '"floor":' in str(refused.value)
    assert "area" not in str(refused.value)


def test_without_onnx_the_error_names_the_extra(monkeypatch):
    import core.interop.onnx_model as onnx_model

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(onnx_model, "import_module", absent)
    with pytest.raises(
        UsageError, match=r"onnx and onnxruntime are not installed: pip install 'bondx-console\[onnx\]'"
    ):
        require_onnx()


ZERO = float(np.float32(1e-35))
FAR_CELLS = (
    *(0.0, -0.0, 5e-324, 1e-36, -1e-36, 1e-35, -1e-35, ZERO, -ZERO, 1e-34, -1e-34),
    *(np.nextafter(ZERO, 1), np.nextafter(ZERO, 0), -np.nextafter(ZERO, 1)),
    *(1e299, 1e300, -1e300, np.nextafter(1e300, np.inf), 1e301, 1e305, 1.7e308, -1.7e308, np.nan),
)


@needs_onnx
@pytest.mark.parametrize(
    ("settings", "has_gaps", "has_huge"),
    [
        pytest.param({"use_missing": False}, False, False, id="missing is zero"),
        pytest.param({}, True, False, id="missing has a way of its own"),
        pytest.param({"zero_as_missing": True}, True, False, id="zero is missing"),
        pytest.param({}, False, True, id="splits beyond 1e300"),
    ],
)
def test_trees_read_cells_next_to_zero_and_beyond_1e300_as_lightgbm_does(settings, has_gaps, has_huge):
    import lightgbm
    import onnxruntime

    from core.interop.onnx_parity import feeds_of
    from core.models.scoring.fields import Rows

    random = np.random.default_rng(0)
    cells = random.normal(size=(500, 2))
    cells[random.random(500) < 0.3, 0] = 0.0
    if has_huge:
        cells[random.random(500) < 0.2, 0] = 1e301
        cells[random.random(500) < 0.2, 0] = 1e305
    if has_gaps:
        cells[random.random(500) < 0.2, 0] = np.nan
    column = cells[:, 0]
    label = (column > 0) * 2.0 + (column == 0) * 5 + (column > 1e299) * 9 + (column > 1e303) * 4 + cells[:, 1]
    given = {"verbosity": -1, "num_leaves": 15, "min_data_in_leaf": 3, **settings}
    booster = lightgbm.train(given, lightgbm.Dataset(cells, label=label), 20)
    written = written_onnx(imported_trees(booster.model_to_string()), {})
    rows = np.array([[cell, 0.1] for cell in FAR_CELLS])
    session = onnxruntime.InferenceSession(written.onnx.content, providers=["CPUExecutionProvider"])
    asked = {each.name for each in session.get_inputs()}
    feeds = feeds_of(written.fields, Rows(rows, [()] * len(rows)))
    found = session.run(None, {name: values for name, values in feeds.items() if name in asked})[0]
    np.testing.assert_allclose(np.ravel(found), booster.predict(rows), rtol=1e-12)
