import subprocess
import sys

import pytest

from core.settings import SettingsError, load_cached_settings, load_settings


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "bondx.yaml"
    file.write_text("console:\n  theme: bondx-light\n")
    return file


@pytest.fixture
def cached_in(tmp_path):
    return tmp_path / "cache" / "settings.json"


def test_cached_settings_equal_those_of_the_file(file, cached_in):
    assert load_cached_settings(file, cached_in=cached_in) == load_settings(file)
    assert cached_in.exists()
    assert load_cached_settings(file, cached_in=cached_in) == load_settings(file)


def test_the_second_time_the_parser_is_not_even_imported(file, cached_in):
    load_cached_settings(file, cached_in=cached_in)
    code = (
        "import sys; from pathlib import Path; from core.settings import load_cached_settings\n"
        f"print(load_cached_settings(Path({str(file)!r}), cached_in=Path({str(cached_in)!r})).console.theme)\n"
        "print('yaml' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["bondx-light", "False"]


def test_an_edited_file_is_read_immediately(file, cached_in):
    load_cached_settings(file, cached_in=cached_in)
    file.write_text("console:\n  theme: bondx-ansi\n")
    assert load_cached_settings(file, cached_in=cached_in).console.theme == "bondx-ansi"
    assert load_cached_settings(file, cached_in=cached_in).console.theme == "bondx-ansi"


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{torn", id="torn"),
        pytest.param(b"[]", id="something else"),
        pytest.param(b'{"text":1}', id="another shape"),
        pytest.param(b"\xff", id="binary"),
    ],
)
def test_a_spoilt_cache_is_written_again(file, cached_in, spoilt):
    cached_in.parent.mkdir()
    cached_in.write_bytes(spoilt)
    assert load_cached_settings(file, cached_in=cached_in) == load_settings(file)
    assert cached_in.read_bytes() != spoilt


def test_settings_that_cannot_be_cached_are_still_read(file, tmp_path):
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the folder would be")
    assert load_cached_settings(file, cached_in=in_the_way / "settings.json") == load_settings(file)


def test_values_that_json_would_change_are_not_cached(file, cached_in):
    file.write_text("console:\n  theme: 2020-01-01\n")
    for _ in range(2):
        with pytest.raises(SettingsError):
            load_cached_settings(file, cached_in=cached_in)
    assert not cached_in.exists()


def test_an_error_from_the_cache_also_names_the_line(file, cached_in):
    file.write_text("console:\n  theme: bondx-light\n\nnonsense: 1\n")
    told = []
    for _ in range(2):
        with pytest.raises(SettingsError) as refusal:
            load_cached_settings(file, cached_in=cached_in)
        told.append(str(refusal.value))
    assert cached_in.exists()
    assert told[0] == told[1]
    assert "line 4" in told[0]
