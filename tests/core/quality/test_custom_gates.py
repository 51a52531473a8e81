import sys
from importlib.metadata import EntryPoint

import numpy as np
import pandas as pd
import pytest

from core.errors import UsageError
from core.quality import CheckSet, GateVerdict, assess, custom, judge, register_gate
from core.quality.custom import GateNameTakenError, UnknownGateError, known_gates, require_known
from core.settings.quality import QualityGates

NO_CHECKS = CheckSet(checks=())


@pytest.fixture
def sound() -> pd.DataFrame:
    return pd.DataFrame({"size": np.arange(1500.0), "grade": ["A", "B"] * 750})


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(custom, "_registered", {})


def last_gate(frame, *names):
    return assess(frame, NO_CHECKS, QualityGates(custom_gates=names)).gates[-1]


def enough_rows(bonds, settings):
    return judge("enough_rows", len(bonds), ">=", 1000, unit="rows", n_samples=len(bonds))


def test_a_registered_gate_is_applied_when_the_settings_name_it(sound):
    register_gate("enough_rows")(enough_rows)
    assert last_gate(sound, "enough_rows").passed
    report = assess(sound.head(50), NO_CHECKS, QualityGates(custom_gates=("enough_rows",)))
    assert report.gates[-1].reason == "50 rows (at least 1000)"
    assert not report.passed
    assert "enough_rows" not in {gate.name for gate in assess(sound, NO_CHECKS).gates}


def test_a_gate_may_take_the_data_alone(sound):
    register_gate("alone")(lambda frame: judge("alone", len(frame), ">=", 1000, unit="rows", n_samples=len(frame)))
    assert (last_gate(sound, "alone").passed, last_gate(sound, "alone").n_samples) == (True, 1500)


def test_a_gate_of_an_installed_package_is_found_by_its_entry_point(sound, monkeypatch):
    point = EntryPoint("house_rules", f"{__name__}:enough_rows", "bondx.gates")
    monkeypatch.setattr(EntryPoint, "load", lambda self: enough_rows)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **select: [point])
    assert known_gates() == ("house_rules",)
    assert last_gate(sound, "house_rules").name == "enough_rows"


def test_a_package_that_cannot_be_loaded_is_named(sound, monkeypatch):
    point = EntryPoint("house_rules", "no_such_package:gate", "bondx.gates")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **select: [point])
    with pytest.raises(UsageError, match="no_such_package"):
        last_gate(sound, "house_rules")


def test_an_unknown_gate_is_refused_with_the_known_ones(sound):
    register_gate("enough_rows")(enough_rows)
    with pytest.raises(UnknownGateError, match="enough_rows"):
        last_gate(sound, "enuf_rows")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        pytest.param(lambda bonds, settings: bonds["no such column"], "KeyError", id="a gate that raises"),
        pytest.param(lambda bonds, settings: sys.exit(3), "SystemExit: 3", id="a gate that exits"),
        pytest.param(
            lambda bonds, settings: (_ for _ in ()).throw(GeneratorExit), "GeneratorExit", id="a gate that stops"
        ),
        pytest.param(lambda bonds, settings: True, "bool", id="a gate that returns true"),
    ],
)
def test_a_broken_gate_is_a_failed_gate(sound, gate, said):
    register_gate("broken")(gate)
    result = last_gate(sound, "broken")
    assert result.verdict is GateVerdict.FAIL
    assert result.name == "broken"
    assert said in result.reason


def test_an_interruption_by_the_user_is_no_failed_gate(sound):
    def interrupted(bonds, settings):
        raise KeyboardInterrupt

    register_gate("interrupted")(interrupted)
    with pytest.raises(KeyboardInterrupt):
        last_gate(sound, "interrupted")


def test_a_gate_gets_a_copy_and_cannot_change_the_training_data(sound):
    def spoils(frame, settings):
        frame["size"] = 0.0
        frame.loc[0, "grade"] = "Z"
        del frame["size"]
        frame.attrs["seen"] = True
        return judge("spoils", 1.0, ">=", 0.0)

    before = sound.copy(deep=True)
    register_gate("spoils")(spoils)
    assert last_gate(sound, "spoils").passed
    pd.testing.assert_frame_equal(sound, before)
    assert not sound.attrs


def test_every_named_gate_is_looked_up_before_any_is_loaded():
    register_gate("enough_rows")(enough_rows)
    require_known(())
    require_known(("enough_rows",))
    with pytest.raises(UnknownGateError, match=r"no custom gate 'enuf_rows'. Known custom gates: enough_rows\."):
        require_known(("enough_rows", "enuf_rows"))


def test_two_gates_cannot_share_a_name():
    register_gate("enough_rows")(enough_rows)
    register_gate("enough_rows")(enough_rows)  # a module imported again registers the same function
    with pytest.raises(GateNameTakenError, match="enough_rows"):
        register_gate("enough_rows")(lambda bonds, settings: judge("x", 1, ">=", 0))


def test_a_gate_that_does_not_say_what_it_looked_at_has_looked_at_the_rows(sound):
    register_gate("silent")(lambda frame: judge("silent", 1.0, ">=", 0.0))
    register_gate("telling")(lambda frame: judge("telling", 1.0, ">=", 0.0, n_samples=2, window="desks of the firm"))
    register_gate("broken")(lambda frame: frame["absent"])
    named = QualityGates(custom_gates=("silent", "telling", "broken"))
    rows = f"on {len(sound):,} rows of the file"
    found = assess(sound, NO_CHECKS, named, source="the file").gates
    assert [gate.basis for gate in found] == [rows, "on 2 desks of the firm", rows]


@pytest.mark.parametrize(("names", "is_withheld"), [(True, True), (False, False)])
def test_a_custom_gate_that_names_a_denied_column_tells_its_verdict_alone(names, is_withheld):
    reason = "the largest tax_id is 4711" if names else "the largest tax_ids are 4711"

    def gate(frame):
        return judge("taxes", frame["tax_id"].max(), "<=", 10.0, reason=reason, offending=["4711"], n_offending=1)

    register_gate(f"taxes {names}")(gate)
    settings = QualityGates(custom_gates=(f"taxes {names}",))
    frame = pd.DataFrame({"tax_id": [1.0, 4711.0]})
    (result,) = assess(frame, CheckSet(checks=()), settings, denied=["tax_id"]).gates
    assert ("4711" not in f"{result.sentence} {result.value} {result.offending}") is is_withheld
    assert (result.blocks, result.n_offending) == (True, 1)
    (told,) = assess(frame, CheckSet(checks=()), settings).gates
    assert told.columns == (("tax_id",) if names else ())


def test_a_custom_gate_may_list_the_columns_that_its_figure_is_of():
    register_gate("listed")(lambda frame: judge("listed", 4711.0, "<=", 10.0, columns=["tax_id"]))
    named = QualityGates(custom_gates=("listed",))
    frame = pd.DataFrame({"tax_id": [1.0], "size": [2.0]})
    told, silent = (assess(frame, CheckSet(checks=()), named, denied=denied).gates[0] for denied in ([], ["tax_id"]))
    assert (told.columns, told.value) == (("tax_id",), 4711.0)
    assert (silent.value, silent.verdict) == (None, told.verdict)
