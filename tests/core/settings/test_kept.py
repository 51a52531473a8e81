import subprocess
import sys

import pytest

from core.settings import SettingsError, load_kept_settings, load_settings


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "bondx.yaml"
    file.write_text("console:\n  theme: bondx-light\n")
    return file


@pytest.fixture
def kept_in(tmp_path):
    return tmp_path / "cache" / "settings.json"


def test_kept_settings_are_those_of_the_file(file, kept_in):
    assert load_kept_settings(file, kept_in=kept_in) == load_settings(file)
    assert kept_in.exists()
    assert load_kept_settings(file, kept_in=kept_in) == load_settings(file)


def test_the_second_time_the_parser_is_not_even_imported(file, kept_in):
    load_kept_settings(file, kept_in=kept_in)
    code = (
        "import sys; from pathlib import Path; from core.settings import load_kept_settings\n"
        f"print(load_kept_settings(Path({str(file)!r}), kept_in=Path({str(kept_in)!r})).console.theme)\n"
        "print('yaml' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["bondx-light", "False"]


def test_a_file_that_was_edited_counts_at_once(file, kept_in):
    load_kept_settings(file, kept_in=kept_in)
    file.write_text("console:\n  theme: bondx-ansi\n")
    assert load_kept_settings(file, kept_in=kept_in).console.theme == "bondx-ansi"
    assert load_kept_settings(file, kept_in=kept_in).console.theme == "bondx-ansi"


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
def test_a_spoilt_copy_is_written_anew(file, kept_in, spoilt):
    kept_in.parent.mkdir()
    kept_in.write_bytes(spoilt)
    assert load_kept_settings(file, kept_in=kept_in) == load_settings(file)
    assert kept_in.read_bytes() != spoilt


def test_what_cannot_be_kept_is_read_all_the_same(file, tmp_path):
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the folder would be")
    assert load_kept_settings(file, kept_in=in_the_way / "settings.json") == load_settings(file)


def test_values_that_json_would_change_are_not_kept(file, kept_in):
    file.write_text("console:\n  theme: 2020-01-01\n")
    for _ in range(2):
        with pytest.raises(SettingsError):
            load_kept_settings(file, kept_in=kept_in)
    assert not kept_in.exists()


def test_an_error_names_the_line_from_a_kept_copy_as_well(file, kept_in):
    file.write_text("console:\n  theme: bondx-light\n\nnonsense: 1\n")
    told = []
    for _ in range(2):
        with pytest.raises(SettingsError) as refusal:
            load_kept_settings(file, kept_in=kept_in)
        told.append(str(refusal.value))
    assert kept_in.exists()
    assert told[0] == told[1]
    assert "line 4" in told[0]
