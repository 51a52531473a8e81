"""A model of one's own that needs a column which the data lack is refused when the session is requested."""

from importlib.metadata import EntryPoint

import pytest

from core.actor import Actor, Origin
from core.domains.registry import session_domain
from core.errors import UsageError
from core.plugins import COLUMNS, MODELS
from core.settings import ModelSettings, TrainingSettings
from core.training.own_models import require_own_columns
from core.training.sessions import Sessions

ANA = Actor("ana", "host", Origin.COMMAND_LINE)
BONDS = session_domain("bonds")


class Duration:
    """Predicts a column that bonds have, from one of theirs and one of an installed package."""

    label, features = "mod_duration", ("maturity_years", "annuity_years")

    def train(self, features, target): ...

    def predict(self, features): ...


class Misspelt(Duration):
    label = "mod_duratoin"


class Foreign(Duration):
    label = "churn"


class Blind(Duration):
    features = ("maturity_years", "annuity_yeers")


class Narrow(Duration):
    features = ("coupon_pkt",)


def annuity_years(frame):
    return frame["maturity_years"]


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    mine = {name.lower(): name for name, kind in globals().items() if hasattr(kind, "train")}
    points = {
        MODELS: [EntryPoint(name, f"{__name__}:{kind}", MODELS) for name, kind in mine.items()],
        COLUMNS: [EntryPoint("annuity_years", f"{__name__}:annuity_years", COLUMNS)],
    }
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value.partition(":")[2]])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points.get(group, []))


@pytest.fixture
def domain_settings():
    return BONDS.settings()


def on(model, **more):
    return TrainingSettings(models={"spread": ModelSettings(), model: ModelSettings()}, **more)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            on("misspelt"),
            r"The label of the model 'misspelt' is 'mod_duratoin'.*Did you mean mod_duration",
        ),
        (on("foreign"), r"The label of the model 'foreign' is 'churn'.*Its columns: .*mod_duration"),
        (on("blind"), r"The feature of the model 'blind' is 'annuity_yeers'"),
        (on("narrow"), r"The feature of the model 'narrow' is 'coupon_pkt'.*Did you mean coupon_pct"),
        (TrainingSettings(domain="etrm", models={"duration": ModelSettings()}), r"'mod_duration', which etrm lacks"),
    ],
    ids=["misspelt label", "label of other data", "own column", "column", "another domain"],
)
def test_a_column_that_the_data_lack_is_refused_with_the_request(workspace, settings, says):
    sessions = Sessions(workspace)
    with pytest.raises(UsageError, match=says):
        sessions.start(settings, name="", actor=ANA)
    assert sessions.all() == []


@pytest.mark.parametrize("more", [{}, {"dataset_size": 18}], ids=["usual", "smallest draw"])
def test_a_model_whose_columns_are_there_is_taken(workspace, more):
    started = Sessions(workspace).start(on("duration", **more), name="", actor=ANA)
    assert "duration" in started.settings["models"]


class Remote:
    """The bonds, from a package of one's own that asks for at least 500 rows and does not say so."""

    least = 500

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        if name == "least_rows":
            raise AttributeError(name)
        return getattr(BONDS, name)

    def draw(self, request):
        self.asked.append(request.n_rows)
        if request.n_rows < self.least:
            raise ValueError("at least 500 rows\x1b[2J")
        return BONDS.draw(request)


class Thrifty(Remote):
    least = 1


class Failing(Remote):
    least_rows = 18


def test_a_domain_that_does_not_name_its_smallest_draw_is_never_drawn_whole(domain_settings):
    settings, thrifty, remote = on("misspelt", dataset_size=100_000), Thrifty(), Remote()
    with pytest.raises(UsageError, match="'mod_duratoin'"):
        require_own_columns(settings, thrifty, domain_settings)
    require_own_columns(settings, remote, domain_settings)  # the session finds it out
    assert thrifty.asked == remote.asked == [64]


def test_a_domain_that_fails_to_draw_what_it_says_it_can_is_named(domain_settings):
    with pytest.raises(
        UsageError, match=r"The domain 'bonds' cannot draw 64 \w+ \(ValueError: 'at least 500"
    ) as caught:
        require_own_columns(on("misspelt"), Failing(), domain_settings)
    assert "\x1b" not in str(caught.value)
