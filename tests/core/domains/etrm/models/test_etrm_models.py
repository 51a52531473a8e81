"""The models of energy trading: they learn what can be known, continue to the same bytes, and are scored row by row."""

import msgspec
import numpy as np
import pytest

from core.domains.catalogue import create, load_model
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.domain import MODEL_NAMES
from core.serving.scoring.warming import warm_scorer

LEAST = {"etrm_risk": 0.93, "etrm_breach": 0.93, "etrm_off_market": 0.95}


def draw(n_rows, seed, prices=7):
    return draw_deals(n_rows, seed, prices, DealSettings())


def read(scorer, rows):
    return scorer.signature.from_rows(msgspec.convert(rows, list[scorer.signature.row]))


@pytest.fixture(scope="module")
def trained():
    models = {}
    for name in MODEL_NAMES:
        models[name] = create(name, algorithm="linear" if name != "etrm_off_market" else "auto")
        models[name].update(draw(1_000, 1), seed=1)
    return models


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("prices", [7, 8], ids=["the same prices", "other prices"])
def test_a_model_of_a_thousand_deals_attains_most_of_the_optimum_on_new_books(trained, name, prices):
    found = trained[name].attainment(draw(6_000, 99, prices), seed=0)
    assert found.attainment >= LEAST[name]
    assert found.low <= found.attainment <= found.high
    assert not found.leak
    figures = trained[name].evaluate(draw(6_000, 99, prices))
    assert figures["attainment"] == pytest.approx(found.attainment, rel=1e-9)


def test_a_book_over_a_limit_is_answered_as_in_breach_and_not_judged(trained):
    model, test = trained["etrm_breach"], draw(6_000, 99)
    over = (test.frame["utilisation"] > 1).to_numpy()
    assert model.predict(test.frame[over]).min() > 0.97
    assert model.predict(test.frame[~over]).mean() == pytest.approx(
        test.frame["limit_breach_5d"][~over].mean(), abs=0.05
    )
    assert (model.judged_rows(test.frame)["utilisation"] <= 1).all()
    books = test.frame[~over].drop_duplicates(["book_id", "as_of_date"])
    assert model.attainment(test, seed=0).n_rows == len(books)


def test_a_panel_whose_books_are_all_over_their_limits_can_be_judged():
    model = create("etrm_breach", algorithm="linear")
    panel = draw_deals(300, 3, 7, DealSettings(utilisation_shift=3.0))
    model.update(panel, seed=0)
    assert np.isnan(model.evaluate(panel)["auc"])
    found = model.attainment(panel, seed=0)
    assert np.isnan(found.attainment)
    assert not found.leak


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_saved_model_continues_to_the_same_bytes(trained, name, tmp_path):
    trained[name].save(tmp_path / "first")
    restored = load_model(tmp_path / "first")
    restored.save(tmp_path / "again")
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert all((tmp_path / "first" / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)
    test = draw(200, 5).frame
    assert np.array_equal(restored.predict(test), trained[name].predict(test))


@pytest.mark.parametrize("name", ["etrm_risk", "etrm_breach"])
def test_a_row_gets_the_same_answer_as_in_a_table_and_may_leave_fields_out(trained, name, tmp_path):
    trained[name].save(tmp_path)
    scorer = warm_scorer(tmp_path)
    assert scorer.is_fast
    test = draw(50, 5).frame.dropna()
    names = [field.name for field in scorer.signature.fields]
    rows = [{key: value for key, value in row.items() if key in names} for row in test.to_dict("records")]
    answers = scorer.answer(read(scorer, rows))
    assert answers == pytest.approx(trained[name].predict(test), rel=1e-12)
    few = scorer.answer(read(scorer, [{"volume": 1000.0, "price": 75.5, "volatility": 0.25}]))
    assert 0 < few[0] < 1


def test_off_market_deals_are_found_without_labels(trained):
    test = draw(6_000, 99)
    figures = trained["etrm_off_market"].evaluate(test)
    assert figures["recall"] > 0.65
    assert figures["precision"] > 0.8
    unlabelled = create("etrm_off_market")
    unlabelled.update(draw(1_000, 1).frame.drop(columns="is_off_market"), seed=1)
    assert np.array_equal(unlabelled.predict(test.frame), trained["etrm_off_market"].predict(test.frame))
