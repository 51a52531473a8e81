"""A class of two methods is a model: trained, judged, saved and loaded; whatever it does wrong is named."""

from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import create, load_model
from core.errors import UsageError
from core.models.errors import ArtifactError, MissingColumnsError, NotFittedError, UnknownParameterError
from core.plugins import COLUMNS, MODELS, PluginLoadError


class Line:
    label = "y"
    features = ("x", "twice")

    def __init__(self, ridge=0.0):
        self.ridge, self.slope = ridge, None

    def train(self, features, target):
        x = features.to_numpy(dtype=float)
        self.slope = np.linalg.lstsq(x.T @ x + self.ridge * np.eye(2), x.T @ target, rcond=None)[0]

    def predict(self, features):
        return features.to_numpy(dtype=float) @ self.slope


class Chance:
    label, task = "event", "classification"

    def train(self, features, target, seed):
        self.seed, self.share = seed, float(np.mean(target))

    def predict(self, features):
        return np.full(len(features), self.share)


class Own(Line):
    features = ("x", "twice")

    def save(self, folder):
        np.save(folder / "slope.npy", self.slope)

    @classmethod
    def load(cls, folder):
        found = cls()
        found.slope = np.load(folder / "slope.npy", allow_pickle=False)
        return found


class Pickled(Own):
    def save(self, folder):
        (folder / "model.pkl").write_bytes(b"\x80")


class Unsafe(Line):
    def train(self, features, target):
        super().train(features, target)
        self.function = twice


class NoLabel:
    def train(self, features, target): ...

    def predict(self, features): ...


class Frame(NoLabel):
    label = "y"

    def train(self, frame): ...


class Half(Line):
    def save(self, folder): ...


class Leaky(Line):
    features = ("x", "y")


class Task(Line):
    task = "clustering"


class Wrong(Line):
    answer = None

    def predict(self, features):
        return type(self).answer


def twice(frame):
    assert "y" not in frame
    return 2 * frame["x"]


def mean(frame):
    return frame["x"] - frame["x"].mean()


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Offer every class of this module as a model, and two columns."""
    mine = {name.lower(): kind for name, kind in globals().items() if isinstance(kind, type) and hasattr(kind, "train")}
    points = {
        MODELS: [EntryPoint(name, f"{__name__}:{kind.__name__}", MODELS) for name, kind in mine.items()],
        COLUMNS: [EntryPoint(name, f"{__name__}:{name}", COLUMNS) for name in ("twice", "mean")],
    }
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value.partition(":")[2]])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points.get(group, []))


@pytest.fixture
def table():
    x = np.random.default_rng(1).normal(size=200)
    return pd.DataFrame({"x": x, "y": 3 * x, "event": (x > 0).astype(int)})


def test_a_class_of_two_methods_trains_and_is_judged(table):
    model = create("line", settings={"ridge": 1e-6})
    before = table.copy(deep=True)

    model.fit(table, seed=1)

    assert np.allclose(model.predict(table), table["y"])
    figures = model.evaluate(table)
    assert figures["r2"] > 0.999
    assert figures["loss"] < 1e-6
    assert (model.name, model.task, model.label, model.n_updates, model.n_rows) == ("line", "regression", "y", 1, 200)
    assert model.predict(table[["x"]].head(3)).shape == (3,), "the label is not needed to predict"
    pd.testing.assert_frame_equal(table, before)


def test_a_model_names_the_columns_that_it_reads_as_far_as_it_can(table):
    assert create("line").columns_read(["x", "twice", "y", "other"]) == ("x", "twice")
    assert create("line").columns_read(["x", "y", "other"]) == ("x", "other"), "twice is computed from any of them"
    assert create("chance").columns_read(["x", "y", "event"]) == ("x", "y")


def test_a_classifier_returns_the_probability_of_the_event_and_gets_its_seed(table):
    model = create("chance")

    model.update(table, seed=5)

    assert (model.own.seed, model.evaluate(table)["accuracy"]) == (
        5,
        pytest.approx(max(model.own.share, 1 - model.own.share)),
    )


@pytest.mark.parametrize("name", ["line", "own"])
def test_a_saved_model_answers_as_before_and_has_the_same_bytes(table, tmp_path, name):
    model = create(name)
    model.update(table, seed=1)
    model.save(tmp_path / "a")

    loaded = load_model(tmp_path / "a")
    loaded.save(tmp_path / "b")

    assert np.array_equal(loaded.predict(table), model.predict(table))
    assert {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()} == {
        file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()
    }


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pickled", "wrote model.pkl, a pickle, which is code"),
        ("unsafe", "contains types that are not loaded without being trusted.*twice.*save\\(folder\\)"),
    ],
)
def test_what_cannot_be_saved_safely_is_refused_at_the_first_save(table, tmp_path, name, says):
    model = create(name)
    model.update(table, seed=1)

    with pytest.raises(ArtifactError, match=says):
        model.save(tmp_path / "a")


def test_a_file_of_another_class_is_not_loaded(table, tmp_path):
    model = create("unsafe")
    model.own.slope = np.ones(2)
    model.n_updates = 1
    model.save(tmp_path / "a")
    header = (tmp_path / "a" / "model.json").read_text().replace('"unsafe"', '"line"')
    (tmp_path / "a" / "model.json").write_text(header)

    with pytest.raises(ArtifactError, match="Unsafe"):
        load_model(tmp_path / "a")


def test_a_file_with_an_infinite_count_is_not_loaded(table, tmp_path):
    model = create("line")
    model.update(table, seed=0)
    model.save(tmp_path)
    header = (tmp_path / "model.json").read_text()
    assert '"n_rows": 200' in header
    (tmp_path / "model.json").write_text(header.replace('"n_rows": 200', '"n_rows": 1e999'))
    with pytest.raises(ArtifactError, match="is not a saved line"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nolabel", "it lacks `label`"),
        ("frame", r"it must have train\(self, features, target\)"),
        ("half", r"only one of save\(folder\) and load\(folder\)"),
        ("leaky", "without its label 'y'"),
        ("task", "its `task` is 'clustering'; it must be regression or classification"),
    ],
)
def test_a_class_that_lacks_something_is_refused_by_name(name, says):
    with pytest.raises(PluginLoadError, match=says):
        create(name)


def test_an_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(UnknownParameterError, match=r"'depth'\. It takes: ridge"):
        create("line", settings={"depth": 3})


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (np.ones(3), r"the shape \(3,\); it must return 200 numbers"),
        (np.full(200, np.nan), "200 values without a number"),
    ],
)
def test_an_answer_that_is_none_is_named(table, monkeypatch, answer, says):
    monkeypatch.setattr(Wrong, "answer", answer)
    model = create("wrong")
    model.update(table, seed=1)

    with pytest.raises(UsageError, match=says):
        model.predict(table)


def test_a_column_that_depends_on_other_rows_is_refused(table, monkeypatch):
    monkeypatch.setattr(Line, "features", ("x", "mean"))
    from core.models.two_methods import adapted

    adapted.cache_clear()
    with pytest.raises(UsageError, match="for a row alone"):
        create("line").update(table, seed=1)
    adapted.cache_clear()


def test_a_missing_column_and_an_untrained_model_are_named(table):
    model = create("line")
    with pytest.raises(NotFittedError):
        model.predict(table)
    with pytest.raises(MissingColumnsError, match="no column x"):
        model.update(table.drop(columns="x"), seed=1)
