"""No example may rot: each loads, and the template is the truth about defaults."""

import re
from pathlib import Path

import msgspec
import pytest

import sample_configs
from core.settings import Settings, load_settings
from core.settings.yaml_source import read_yaml

PAGES = Path(__file__).parents[2] / "docs"
SAMPLES = sorted(sample_configs.FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_every_sample_loads(file):
    load_settings(file)


def settings_in_pages():
    for page in sorted(PAGES.glob("*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        # Those are a file for Prometheus, rules, conditions, stress scenarios and views, which tests of their own read.
        others = ("scrape_configs:", "groups:", "high_drift:", "scenarios:", "views:")
        settings = [block for block in blocks if not block.startswith(others)]
        yield from (pytest.param(block, id=f"{page.name} {n}") for n, block in enumerate(settings, 1))


@pytest.mark.parametrize("block", [*settings_in_pages()])
def test_every_piece_of_settings_in_a_page_loads(block, tmp_path):
    (tmp_path / "bondx.yaml").write_text(block)
    assert load_settings(tmp_path / "bondx.yaml") != Settings()


def test_the_template_states_every_default():
    assert load_settings(sample_configs.FOLDER / "bondx.yaml") == Settings()


def test_the_template_names_every_key():
    def missing(struct, values, path=""):
        for field in msgspec.structs.fields(struct):
            if field.name not in values:
                yield path + field.name
            elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
                yield from missing(field.type, values[field.name], f"{path}{field.name}.")

    assert list(missing(Settings, read_yaml(sample_configs.FOLDER / "bondx.yaml").values)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("autonomous.yaml", (100, 0.001, 10, 0.95, 150, 0.8)),
        ("enterprise.yaml", (500, 0.0001, 25, 0.98, 1000, 0.8)),
    ],
)
def test_the_documented_sessions_hold_their_documented_values(name, expected):
    s = load_settings(sample_configs.FOLDER / name)
    assert (
        s.max_epochs,
        s.convergence_threshold,
        s.patience,
        s.quality_threshold,
        s.dataset_size,
        s.training_split,
    ) == expected
