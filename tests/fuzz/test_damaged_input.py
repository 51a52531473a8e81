"""What comes from outside is read, or refused by an error for the person who gave it, however it is damaged.

`make fuzz` tries many more examples, here and in every other test with the mark.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.alerts.selecting import read_matchers
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create, load_model
from core.errors import CoreError
from core.models.persistence.archive import HEADER
from core.promql import Expression, PromqlError, SeriesInMemory, SeriesSamples
from core.saved_views import check_view_file, view_yaml
from core.settings import SettingsError, load_settings
from core.stress.choosing import stress_engine
from core.stress.scenario_file import check_scenarios
from tests.core.promql.test_prometheus import EXPRESSIONS
from tests.core.stress.test_scenario_file import SOUND
from tests.damage import damaged, damaged_json

pytestmark = pytest.mark.fuzz
SAMPLES = sorted((Path(__file__).parents[2] / "sample_configs").glob("*.yaml"))
VIEWS = Path(__file__).parents[2] / "examples" / "dashboard_customization" / "views.yaml"
END_MS = 600_000
SERIES = SeriesInMemory(
    SeriesSamples(
        tuple(sorted({"__name__": name, "i": i, "job": "a", "le": i}.items())),
        END_MS - 15_000 * np.arange(29, -1, -1, dtype=np.int64),
        np.arange(30, dtype=float) % 7,
    )
    for name in ("c", "g", "b_bucket")
    for i in ("1", "2")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the file of each example."""
    return tmp_path_factory.mktemp("damaged")


@given(text=st.sampled_from([sample.read_text(encoding="utf-8") for sample in SAMPLES]).flatmap(damaged))
def test_settings(folder, text):
    file = folder / "bondx.yaml"
    file.write_text(text, encoding="utf-8")
    with suppress(SettingsError):
        load_settings(file)


@given(text=damaged(SOUND))
def test_scenarios_of_stress_tests(folder, text):
    file = folder / "scenarios.yaml"
    file.write_text(text, encoding="utf-8")
    _, faults = check_scenarios(file, stress_engine("bonds"))
    assert all("line " in str(fault) for fault in faults)


@given(text=damaged(VIEWS.read_text(encoding="utf-8")))
def test_saved_views(folder, text):
    file, again = folder / "views.yaml", folder / "again.yaml"
    file.write_text(text, encoding="utf-8")
    views, faults = check_view_file(file)
    assert all("line " in str(fault) for fault in faults)
    if views:
        again.write_text(view_yaml(views), encoding="utf-8")
        assert check_view_file(again) == (views, [])


@given(st.sampled_from(EXPRESSIONS).flatmap(damaged))
def test_expressions_over_series(text):
    with suppress(PromqlError):
        read = Expression.parse(text)
        read.at(SERIES, END_MS)
        read.over(SERIES, END_MS - 60_000, END_MS, 15_000)


@given(damaged('{severity=~"crit.*|warning", model!="spread", "a b"=c, team=rates desk}'))
def test_matchers(text):
    for is_typed in (True, False):
        with suppress(CoreError):
            read_matchers(text, is_typed=is_typed)


@pytest.fixture(scope="module", params=["linear", "lightgbm"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was saved."""
    model = create("spread", algorithm=request.param)
    model.update(generate(PanelSettings(n_rows=150, seed=1)), seed=1)
    model.save(made := tmp_path_factory.mktemp("saved"))
    return made


@given(data=st.data())
def test_headers_of_models(folder, saved, data):
    copy = folder / saved.name
    if not copy.exists():
        shutil.copytree(saved, copy)
    header = data.draw(damaged_json(json.loads((saved / HEADER).read_text())))
    (copy / HEADER).write_text(json.dumps(header))
    with suppress(CoreError):
        load_model(copy)
