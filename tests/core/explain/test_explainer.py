"""Which algorithm explains which model, and that contributions sum to the answer on the scale that is named."""

import numpy as np
import pytest

from core.errors import UsageError
from core.explain.documents import SUM_TOLERANCE
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.parts import NotAdditiveError, TreeReading
from tests.core.explain.models import bonds, deals, small_table, table_model, trained

COLUMNS = ("size", "age", "noise", "kind")

EXACT = [
    # model, algorithm, words of the algorithm that explains it, scale
    ("spread", "auto", "linear terms in closed form", "asinh(spread / 10 bp)"),
    ("spread", "lightgbm", "TreeSHAP by LightGBM, path-dependent", "asinh(spread / 10 bp)"),
    ("downgrade", "linear", "linear terms in closed form", "log odds"),
    ("downgrade", "gradient_boosting", "TreeSHAP of gradient_boosting", "log odds"),
    ("downgrade", "hist_gradient_boosting", "TreeSHAP of hist_gradient_boosting", "log odds"),
    ("downgrade", "random_forest", "TreeSHAP of random_forest", "probability"),
    ("spread", "voting", "TreeSHAP by LightGBM, path-dependent + TreeSHAP of random_forest", "asinh(spread / 10 bp)"),
    ("spread", "stacking", "TreeSHAP by LightGBM, path-dependent + TreeSHAP of random_forest", "asinh(spread / 10 bp)"),
    ("anomaly", "isolation_forest", "TreeSHAP of the isolation forest", "log2 of the anomaly score"),
    ("etrm_risk", "linear", "linear terms in closed form", "log odds of the score"),
    ("etrm_breach", "lightgbm", "TreeSHAP by LightGBM, path-dependent", "log odds"),
]

SMALL = {
    "random_forest": {"n_estimators": 10},
    "gradient_boosting": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 20},
    "stacking": {"folds": 2},
}


def rows_of(name):
    return deals(2) if name.startswith("etrm") else bonds(2)


@pytest.mark.parametrize("method", [ExplainMethod.AUTO, ExplainMethod.BACKGROUND])
@pytest.mark.parametrize(("name", "algorithm", "words", "scale"), EXACT)
def test_a_model_of_a_domain_is_explained_exactly(name, algorithm, words, scale, method):
    model, frame = trained(name, algorithm, **SMALL.get(algorithm, {})), rows_of(name)
    explainer = Explainer(model, frame.head(20), columns=(), method=method)
    assert explainer.scale == scale
    assert not explainer.is_sampled
    assert not explainer.notes
    if method is ExplainMethod.AUTO:
        assert words in explainer.algorithm
    else:
        assert TreeReading.PATH_DEPENDENT not in explainer.algorithm
    table = explainer.contributions(frame.tail(10))
    assert explainer.sum_error(table) < SUM_TOLERANCE
    answers = np.asarray(model.predict(model.as_strangers(frame.tail(10))))
    back = table.margin if scale == "probability" else model.anatomy().to_answer(table.margin)
    # Probabilities are clipped at 1e-4 before they are served.
    assert back == pytest.approx(answers, abs=1.1e-4 if scale == "probability" else 1e-6, rel=1e-6)


@pytest.mark.parametrize("method", [ExplainMethod.AUTO, ExplainMethod.BACKGROUND])
@pytest.mark.parametrize(
    ("target", "algorithm"),
    [
        ("price", "linear"), ("price", "lightgbm"), ("price", "hist_gradient_boosting"), ("price", "voting"),
        ("price", "stacking"), ("price", "isolation_forest"),
        ("dear", "linear"), ("dear", "lightgbm"), ("band", "linear"), ("band", "lightgbm"),
    ],
)  # fmt: skip
def test_a_model_of_a_users_table_is_explained_exactly(target, algorithm, method):
    frame = small_table()
    explainer = Explainer(table_model(target, algorithm), frame.head(40), columns=COLUMNS, method=method)
    assert not explainer.is_sampled, explainer.notes
    table = explainer.contributions(frame.tail(30))
    assert explainer.sum_error(table) < SUM_TOLERANCE
    assert explainer.players == COLUMNS
    if target == "price" and algorithm != "isolation_forest":  # in the unit of the target, not standardised
        assert table.margin == pytest.approx(explainer.predict(frame.tail(30)), abs=1e-6)
        assert np.abs(table.values).mean(axis=0).argmax() == COLUMNS.index("size")


def test_of_several_classes_one_is_explained():
    frame, model = small_table(), table_model("band", "lightgbm")
    low = Explainer(model, frame.head(40), columns=COLUMNS, output="low")
    top = Explainer(model, frame.head(40), columns=COLUMNS, output="top")
    assert low.scale == "log odds of low"
    size = COLUMNS.index("size")
    large = frame[frame["size"] > 1].head(20)
    assert (low.contributions(large).values[:, size] < 0).all()
    assert (top.contributions(large).values[:, size] > 0).all()
    assert top.predict(large) == pytest.approx(model.predict(large)[:, 2])
    with pytest.raises(UsageError, match="is no class of table: its classes are 'low', 'middle', 'top'"):
        Explainer(model, frame.head(40), columns=COLUMNS, output="high")


def test_both_readings_of_trees_are_named_and_differ():
    model, frame = trained("spread", "lightgbm"), bonds(2)
    path = Explainer(model, frame.head(40), columns=(), method=ExplainMethod.PATH_DEPENDENT)
    background = Explainer(model, frame.head(40), columns=(), method=ExplainMethod.BACKGROUND)
    assert "path-dependent" in path.algorithm
    assert "background" in background.algorithm
    assert path.method == ExplainMethod.PATH_DEPENDENT
    assert background.method == ExplainMethod.BACKGROUND
    assert background.base == pytest.approx(background.margin(frame.head(40)).mean())
    one, other = (each.contributions(frame.tail(5)).values for each in (path, background))
    assert np.abs(one - other).max() > 1e-3


def test_a_model_with_only_a_prediction_function_is_asked_about_mixtures_of_rows():
    model, frame = trained("anomaly", "residual"), bonds(2)
    explainer = Explainer(model, frame.head(20), columns=tuple(model.feature_importance()), n_pairs=3)
    assert explainer.is_sampled
    assert "3 pairs of sampled orders" in explainer.algorithm
    assert "only a prediction function" in explainer.notes[0]
    assert "rows that cannot occur" in explainer.notes[1]
    table = explainer.contributions(frame.tail(2))
    assert explainer.sum_error(table) < SUM_TOLERANCE
    assert table.errors is not None


@pytest.mark.parametrize("algorithm", ["voting", "stacking"])
def test_an_ensemble_without_an_exact_algorithm_says_why(algorithm):
    model, frame = trained("downgrade", algorithm, **SMALL.get(algorithm, {})), bonds(2)
    explainer = Explainer(model, frame.head(20), columns=(), n_pairs=2)
    assert explainer.is_sampled
    assert "its members are explained on the scale of" in explainer.notes[0]
    assert explainer.sum_error(explainer.contributions(frame.tail(2))) < SUM_TOLERANCE
    with pytest.raises(NotAdditiveError, match="downgrade cannot be explained by background"):
        Explainer(model, frame.head(20), columns=(), method=ExplainMethod.BACKGROUND)


def test_sampled_orders_agree_with_all_coalitions_within_their_errors():
    frame, model = small_table(), table_model("price", "lightgbm")
    exact = Explainer(model, frame.head(30), columns=COLUMNS, method=ExplainMethod.EXACT)
    closed = Explainer(model, frame.head(30), columns=COLUMNS, method=ExplainMethod.BACKGROUND)
    row = frame.tail(3)
    assert exact.contributions(row).values == pytest.approx(closed.contributions(row).values, abs=1e-6)
    assert exact.method == ExplainMethod.EXACT


def test_too_many_columns_for_all_coalitions_are_refused():
    with pytest.raises(NotAdditiveError, match="more than 12 have too many coalitions"):
        Explainer(trained("spread", "lightgbm"), bonds(2), columns=(), method=ExplainMethod.EXACT)


def test_no_reference_rows_are_refused():
    with pytest.raises(UsageError, match="at least one reference row"):
        Explainer(trained("spread", "lightgbm"), bonds(2).head(0), columns=())


@pytest.mark.parametrize("name", ["spread", "downgrade"])
def test_xgboost_is_explained_by_its_own_contributions_and_against_a_background(name):
    pytest.importorskip("xgboost", reason="the extra xgboost is not installed")
    model, frame = trained(name, "xgboost", n_estimators=20), bonds(2)
    explainer = Explainer(model, frame.head(20), columns=())
    assert explainer.algorithm == "TreeSHAP by XGBoost, path-dependent"
    table = explainer.contributions(frame.tail(10))
    assert explainer.sum_error(table) < SUM_TOLERANCE  # its margins are in single precision
    assert model.anatomy().to_answer(table.margin) == pytest.approx(model.predict(frame.tail(10)), rel=1e-5)
    against = Explainer(model, frame.head(20), columns=(), method=ExplainMethod.BACKGROUND)
    assert against.algorithm == "TreeSHAP of XGBoost, background"
    assert against.sum_error(against.contributions(frame.tail(10))) < SUM_TOLERANCE
    assert against.base == pytest.approx(against.margin(frame.head(20)).mean())
