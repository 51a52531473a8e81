import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from core.domains.catalogue import create, known_models, model_class
from core.domains.registry import built_in_domains, find_domain
from core.models.errors import MissingExtraError, UninstalledModelError, UnknownAlgorithmError, UnknownParameterError
from core.models.interface import Model
from core.plugins import DOMAINS, MODELS, PluginLoadError


class ConvexityModel(Model):
    name, task, label, algorithms = "convexity", "regression", "convexity", ("auto",)

    def update(self, panel, *, seed):
        self.n_updates += 1

    def predict(self, frame):
        return np.zeros(len(frame))

    def evaluate(self, panel):
        return {"loss": 0.0}

    def feature_importance(self):
        return {}

    def report(self):
        return {"model": self.name}

    def save(self, folder):
        return []

    @classmethod
    def load(cls, folder):
        return cls()


def offer(monkeypatch, *offers):
    points = [EntryPoint(name, f"{__name__}:{value}", MODELS) for name, value in offers]
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value.partition(":")[2]])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == MODELS else [])


def test_importing_the_package_loads_no_heavy_library():
    heavy = "{'numpy', 'pandas', 'scipy', 'sklearn', 'lightgbm'}"
    asked = "import sys, core.models, core.domains.catalogue; core.domains.catalogue.known_models()"
    script = f"{asked}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_your_own_model_is_one_class_and_one_entry_point(monkeypatch):
    offer(monkeypatch, ("convexity", "ConvexityModel"))
    assert isinstance(create("convexity"), ConvexityModel)
    assert known_models()[-1] == "convexity"


@pytest.mark.parametrize("domain", built_in_domains(), ids=lambda domain: domain.name)
def test_a_domains_description_of_its_models_matches_their_classes(domain):
    for name, offer in domain.models.items():
        kind = model_class(name, domain)
        assert (kind.name, kind.algorithms) == (name, offer.algorithms)


def test_a_package_cannot_take_over_a_built_in_name(monkeypatch):
    offer(monkeypatch, ("spread", "ConvexityModel"))
    assert type(create("spread")).__module__ == "core.domains.bonds.models.spread"


def test_an_entry_point_must_be_a_model(monkeypatch):
    offer(monkeypatch, ("convexity", "offer"))
    with pytest.raises(PluginLoadError, match=r"The model 'convexity' \(offer\) cannot be loaded: it is not a core"):
        create("convexity")


def test_a_model_that_lacks_members_is_refused_with_them(monkeypatch):
    class Half(Model):
        """Only a name."""

        name = "half"

    monkeypatch.setattr(Half, "__module__", __name__)
    monkeypatch.setattr(sys.modules[__name__], "Half", Half, raising=False)
    offer(monkeypatch, ("half", "Half"))
    with pytest.raises(PluginLoadError, match=r"The model 'half' \(.*Half\) cannot be loaded: it lacks .*update"):
        create("half")


@pytest.mark.parametrize(
    ("models", "says"),
    [
        pytest.param(property(lambda self: 1 / 0), "its members cannot be read: division by zero", id="that raise"),
        pytest.param({"loss": "no offer"}, "it is not a core.domains.Domain with a ModelOffer", id="of another kind"),
    ],
)
def test_a_domain_whose_members_are_unusable_leaves_the_others_available(monkeypatch, models, says):
    bad = type("Bad", (), {"name": "bad", "models": models})()
    points = [EntryPoint("bad", "anywhere:BAD", DOMAINS)]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == DOMAINS else [])
    monkeypatch.setattr(EntryPoint, "load", lambda self: bad)
    with pytest.raises(PluginLoadError, match=says):
        find_domain("bad")
    assert "spread" in known_models()


@pytest.mark.parametrize(
    ("name", "keywords", "error", "says"),
    [
        pytest.param(
            "spreda", {}, UninstalledModelError, "spread, downgrade", id="an unknown model names the known ones"
        ),
        pytest.param("spread", {"algorithm": "svm"}, UnknownAlgorithmError, "lightgbm", id="an unknown algorithm too"),
        pytest.param(
            "spread", {"algorithm": "isolation_forest"}, UnknownAlgorithmError, "spread cannot", id="no match"
        ),
        pytest.param(
            "spread", {"settings": {"leaves": 3}}, UnknownParameterError, "num_leaves", id="a wrong parameter"
        ),
        pytest.param("anomaly", {"settings": {"share": 3}}, UnknownParameterError, "expected_share", id="there, too"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_names(name, keywords, error, says):
    with pytest.raises(error, match=says):
        create(name, **keywords)


def test_a_missing_extra_is_reported_in_one_clear_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bondx-console\[xgboost\]'"):
        create("spread", algorithm="xgboost")
