"""Models where LightGBM cannot be loaded: the learner that replaces it, and the fate of saved models."""

import sys

import numpy as np
import pytest

from core.domains.catalogue import create, load_model
from core.models.errors import LightGbmUnavailableError, UnknownParameterError
from core.models.learners.lightgbm_library import lightgbm_problem, load_lightgbm

CANDIDATES = ["linear", "hist_gradient_boosting"]


def learned(name, draw, **options):
    model = create(name, **options)
    model.update(draw(0, 300), seed=0)
    return model


@pytest.mark.usefixtures("without_lightgbm")
def test_auto_learns_with_scikit_learn_and_says_so(draw):
    model = learned("spread", draw)
    report = model.report()

    assert {entry["candidate"] for entry in report["candidates"]} == set(CANDIDATES)
    assert list(report["continues_by"]) == CANDIDATES
    assert report["warnings"] == list(model.warnings)
    assert "hist_gradient_boosting trains in its place" in model.warnings[0]
    assert create("anomaly").warnings == model.warnings
    assert create("anomaly", algorithm="isolation_forest").warnings == ()


def test_with_lightgbm_there_is_no_warning(draw):
    model = learned("spread", draw)

    assert model.warnings == ()
    assert "warnings" not in model.report()


@pytest.mark.usefixtures("without_lightgbm")
@pytest.mark.parametrize("name", ["spread", "downgrade", "liquidity_shock"])
def test_lightgbm_asked_for_by_name_is_refused_with_the_cure(name):
    with pytest.raises(LightGbmUnavailableError, match=r"Cure: .*Without it, algorithm auto trains"):
        create(name, algorithm="lightgbm")


@pytest.mark.usefixtures("without_lightgbm")
def test_parameters_for_lightgbm_are_not_an_error_where_another_learner_replaces_it(draw):
    model = learned("downgrade", draw, settings={"num_leaves": 5, "learning_rate": 0.1, "max_iter": 20})

    assert model.learners["hist_gradient_boosting"].parameters["learning_rate"] == 0.1
    with pytest.raises(UnknownParameterError, match="nonsense"):
        create("downgrade", settings={"nonsense": 1})


@pytest.mark.parametrize("name", ["spread", "anomaly"])
def test_a_model_continues_with_its_original_candidates_even_after_lightgbm_is_back(name, draw, tmp_path, monkeypatch):
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "lightgbm", None)
        model = learned(name, draw)
        model.save(tmp_path)
    loaded = load_model(tmp_path)

    assert lightgbm_problem() is None
    np.testing.assert_array_equal(loaded.predict(draw(1).bonds), model.predict(draw(1).bonds))
    assert loaded.warnings == model.warnings
    assert loaded.report() == model.report()
    for each in (loaded, model):
        each.update(draw(2, 300), seed=2)
    np.testing.assert_array_equal(loaded.predict(draw(1).bonds), model.predict(draw(1).bonds))


@pytest.mark.parametrize("name", ["spread", "anomaly"])
def test_a_model_that_needs_lightgbm_is_refused_with_the_cure(name, draw, tmp_path, monkeypatch):
    learned(name, draw).save(tmp_path)
    monkeypatch.setitem(sys.modules, "lightgbm", None)

    with pytest.raises(LightGbmUnavailableError, match="Cure: "):
        load_model(tmp_path)


def test_a_lack_of_memory_is_not_mistaken_for_a_missing_library(monkeypatch):
    class Full:
        def find_spec(self, name, path=None, target=None):
            if name == "lightgbm":
                raise ImportError("lib_lightgbm.so: failed to map segment from shared object")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Full(), *sys.meta_path])
    with pytest.raises(ImportError, match="failed to map"):
        load_lightgbm()
