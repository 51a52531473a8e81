"""Faults of a package with a domain: refused when a session is requested, or at the first attempt, by name."""

import subprocess
import sys

import pytest

from core.actor import Actor, Origin
from core.domains.catalogue import model_class
from core.domains.domain import ModelOffer
from core.domains.registry import find_domain, session_domain
from core.engine import Engine
from core.errors import CoreError, UsageError
from core.plugins import PluginLoadError
from core.settings import ModelSettings, TrainingSettings
from core.training.failure import failure_of
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from tests.packages import installed
from tests.waiting import until

ADA = Actor("ada", "desk", Origin.COMMAND_LINE)
HOUSES = """
from core.domains.domain import ModelOffer, NoSettings


class Houses:
    name = "houses"
    rows = "houses"
    groups = "streets"
    group_column = None
    notice = "No house is real."
    test_panels = ("test",)
    settings = NoSettings
    models = {
        "price": ModelOffer("house_models:PriceModel", ("auto",)),
        "lost": ModelOffer("house_models:NoSuchModel", ("auto",)),
        "gone": ModelOffer("no_such_module:Model", ("auto",)),
        "partial": ModelOffer("house_models:PartialModel", ("auto",)),
    }

    @property
    def checks(self):
        from house_models import CHECKS

        return CHECKS

    def draw(self, request):
        from house_models import draw

        return draw(request)


HOUSES = Houses()
MISNAMED = Houses()


class Bare:
    name = "bare"
    models = {}

    def draw(self, request):
        return None

    @property
    def checks(self):
        raise AssertionError("nobody asked for the checks yet")


BARE = Bare()
"""
MODELS = """
import numpy as np
import pandas as pd

from core.models import Model, Panel
from core.models.persistence.archive import read_model, write_model
from core.quality import CheckSet

CHECKS = CheckSet(())


def draw(request):
    random = np.random.default_rng(request.seed)
    return Panel(pd.DataFrame({"size": random.normal(size=request.n_rows)}))


class PartialModel(Model):
    name = "partial"
    algorithms = ("auto",)


class PriceModel(Model):
    name = "price"
    task = "regression"
    label = "size"
    algorithms = ("auto",)

    def update(self, panel, *, seed):
        if self.parameters.get("fault") == "update":
            panel.frme
        self.n_updates += 1

    def predict(self, frame):
        return np.zeros(len(frame))

    def evaluate(self, panel):
        return {"loss": "low" if self.parameters.get("fault") == "metric" else np.float64(1.0)}

    def feature_importance(self):
        return {"size": np.float64(1.0)}

    def report(self):
        return {"n": np.int64(self.n_updates)}

    def save(self, folder):
        return write_model(folder, {"model": self.name, "parameters": self.parameters}, {})

    @classmethod
    def load(cls, folder):
        return cls("auto", read_model(folder)[0]["parameters"])
"""


@pytest.fixture(scope="module", autouse=True)
def houses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "houses.py").write_text(HOUSES)
    (folder / "house_models.py").write_text(MODELS)
    domains = {"houses": "houses:HOUSES", "villas": "houses:MISNAMED", "bare": "houses:BARE"}
    with installed(folder, "houses", {"bondx.domains": domains}):
        yield folder


def session_on(workspace, **parameters):
    """Run a session to its end; return it as it then is."""
    sessions = Sessions(workspace)
    models = {"price": ModelSettings(parameters=parameters)}
    settings = TrainingSettings(domain="houses", dataset_size=100, max_epochs=1, models=models)
    session_id = sessions.start(settings, name="houses", actor=ADA).session_id
    engine = Engine(workspace, mode="headless", actor=ADA)
    engine.start()
    try:
        until(lambda: sessions.get(session_id).observed.phase.is_at_rest, "the end of the session")
    finally:
        engine.stop(0)
    return sessions.get(session_id).observed


def test_numbers_of_numpy_pass_from_the_first_epoch_to_the_registry(workspace):
    observed = session_on(workspace)
    assert (observed.phase, observed.failure) == (SessionPhase.FINISHED, None)
    assert observed.registered == ("price/1.0.0",)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("metric", "The model 'price' of the domain 'houses': `evaluate` returned 'low' as loss"),
        ("update", "the model 'price' of the domain 'houses' (house_models, update, line "),
    ],
)
def test_a_fault_of_a_model_ends_the_session_at_the_first_attempt(workspace, fault, says):
    observed = session_on(workspace, fault=fault)
    assert observed.phase is SessionPhase.FAILED
    assert says in observed.failure
    assert observed.n_failed_epochs == 1, "no retry"


def test_a_domain_that_lacks_a_member_is_refused_when_the_session_is_requested(workspace):
    with pytest.raises(
        UsageError,
        match="The domain 'bare' has no `rows`, `groups`, `group_column`, `notice`, `test_panels`, `settings` "
        r"\(core/domains/domain.py lists what a domain has\)",
    ):
        Sessions(workspace).start(TrainingSettings(domain="bare"), name="", actor=ADA)


def test_a_single_missing_member_is_named(monkeypatch):
    monkeypatch.delattr(type(find_domain("houses")), "notice")
    with pytest.raises(UsageError, match=r"The domain 'houses' has no `notice` \("):
        session_domain("houses")


def test_a_complete_domain_is_accepted_without_loading_pandas(houses):
    ask = "from core.domains.registry import session_domain; session_domain('houses')"
    code = f"import sys; {ask}; assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_domain_is_listed_under_its_own_name():
    with pytest.raises(PluginLoadError, match="its `name` is 'houses', but its entry point says 'villas'"):
        find_domain("villas")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("lost", "The model 'lost' .house_models:NoSuchModel. cannot be loaded: .*NoSuchModel"),
        ("gone", "The model 'gone' .no_such_module:Model. cannot be loaded: No module named"),
        ("partial", "The model 'partial' .PartialModel. cannot be loaded: it lacks evaluate, feature_importance"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_not_tried_again(model, says):
    with pytest.raises(PluginLoadError, match=says) as error:
        model_class(model, find_domain("houses"))
    assert isinstance(error.value, CoreError)
    assert failure_of(error.value).kind == "refused"


def test_a_place_without_a_class_is_refused(monkeypatch):
    monkeypatch.setitem(find_domain("houses").models, "price", ModelOffer("house_models", ("auto",)))
    with pytest.raises(PluginLoadError, match="The model 'price'"):
        model_class("price", find_domain("houses"))
