import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from core.errors import CoreError
from core.plugins import GATES, PluginLoadError, PluginNameTakenError, Plugins, UnknownPluginError

PLUGINS = Plugins(GATES, "gate", {"built_in": "core.errors:CoreError"})


@pytest.fixture
def offer(monkeypatch):
    """Offer entry points as installed packages would: of a name and a place each."""

    def offer(*offers):
        points = [EntryPoint(name, place, GATES) for name, place in offers]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points if group == GATES else [])

    return offer


def test_listing_imports_nothing(offer):
    offer(("z", "no_such_package:gate"), ("a", "no_such_package:other"))
    assert PLUGINS.names() == ("built_in", "a", "z")


def test_a_built_in_name_cannot_be_taken_over(offer):
    offer(("built_in", "core.errors:UsageError"))
    assert PLUGINS.load("built_in") is CoreError


def test_an_unknown_name_is_refused_with_the_known_ones(offer):
    offer(("a", "core.errors:UsageError"))
    with pytest.raises(UnknownPluginError, match=r"There is no gate 'b'. Known gates: built_in, a\."):
        PLUGINS.load("b")


def test_a_package_that_cannot_be_imported_is_named_with_its_error(offer):
    offer(("a", "no_such_package:gate"))
    with pytest.raises(PluginLoadError, match=r"The gate 'a' \(no_such_package:gate\) cannot be loaded: No module"):
        PLUGINS.load("a")


def test_a_package_that_ends_the_program_on_import_ends_only_its_own_loading(offer, monkeypatch, tmp_path):
    (tmp_path / "leaver.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    offer(("a", "leaver:gate"))
    with pytest.raises(PluginLoadError, match=r"The gate 'a' \(leaver:gate\) cannot be loaded: it ends the program"):
        PLUGINS.load("a")


def test_two_packages_with_one_name_are_refused_rather_than_picked_from(offer):
    offer(("a", "core.errors:UsageError"), ("a", "core.errors:ConflictError"))
    with pytest.raises(PluginNameTakenError, match=r"core.errors:ConflictError, core.errors:UsageError"):
        PLUGINS.load("a")


def test_one_package_found_twice_on_the_path_counts_once(offer):
    offer(("a", "core.errors:UsageError"), ("a", "core.errors:UsageError"))
    assert PLUGINS.load("a").__name__ == "UsageError"


def test_the_module_reads_no_metadata_when_it_is_imported():
    script = "import sys, core.plugins; print('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"
