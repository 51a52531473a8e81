"""Gates, differences and events: tables with a meaning of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import widgets
from tests.apps import settled
from widgets.diff_view import Difference, DiffView
from widgets.gate import Gate
from widgets.gate_list import GateList
from widgets.glyphs import ASCII

GATES = [
    Gate("coverage", "pass", "97.2 %", ">= 90 %", 1000),
    Gate("negative spreads", "fail", "3.1 %", "<= 1 %", 1000, "31 rows below zero"),
    Gate("esg missing", "warn", "19.0 %", "<= 20 %", 1000, "near its limit"),
]


@pytest.mark.parametrize(
    ("glyphs", "signs"),
    [(None, ("✓ pass", "✗ fail", "! warn")), (ASCII, ("v pass", "x fail", "! warn"))],
    ids=["unicode", "ascii"],
)
async def test_a_gate_says_its_verdict_in_a_sign_and_a_word(stage, glyphs, signs):
    gates = GateList()
    app = stage(gates, **({"glyphs": glyphs} if glyphs else {}))
    async with app.run_test(size=(100, 8)) as pilot:
        gates.set_gates(GATES)
        await settled(pilot)
        lines = app.text()[1:4]
        assert [sign in line for sign, line in zip(signs, lines, strict=True)] == [True] * 3
        assert "3.1 %" in lines[1]
        assert "<= 1 %" in lines[1]
        assert "1,000" in lines[1]
        assert "31 rows below zero" in lines[1]


async def test_at_a_narrow_width_a_gate_keeps_value_and_limit(stage):
    gates = GateList()
    app = stage(gates)
    async with app.run_test(size=(48, 8)) as pilot:
        gates.set_gates(GATES)
        await settled(pilot)
        assert "3.1 %" in app.text()[2]
        assert "<= 1 %" in app.text()[2]


async def test_a_value_in_words_is_whole_where_there_is_blank_space(stage):
    gates = GateList()
    app = stage(gates)
    async with app.run_test(size=(90, 8)) as pilot:
        gates.set_gates([Gate("position_size", "fail", "no column x", "in 1,000 .. 2,000", 1000, "it is missing")])
        await settled(pilot)
        assert "no column x" in app.text()[1]
        assert "in 1,000 .. 2,000" in app.text()[1]
        assert "it is missing" in app.text()[1]


async def test_without_reasons_a_gate_has_room_for_its_name(stage):
    gates = GateList()
    app = stage(gates)
    async with app.run_test(size=(56, 8)) as pilot:
        gates.set_gates([Gate("liquidity_index_median", "pass", "47.1", ">= 30", 1000)])
        await settled(pilot)
        assert "liquidity_index_median" in app.text()[1]
        assert "REASON" not in app.text()[0]


async def test_differences_are_marked_by_sign_and_word(stage):
    view = DiffView()
    app = stage(view)
    differences = [
        Difference("mae_bps", "12.1", "11.4", "-0.7", better=True),
        Difference("auc", "0.81", "0.79", "-0.02", better=False),
        Difference("seed", "42", "42"),
        Difference("depth", None, "6"),
        Difference("rounds", "300", None),
    ]
    async with app.run_test(size=(100, 10)) as pilot:
        view.set_diff("1.3.0", "1.4.0", differences)
        await settled(pilot)
        header, mae, auc, seed, depth, rounds = app.text()[:6]
        assert header.split() == ["1.3.0", "1.4.0", "DIFFERENCE"]
        assert "±" in mae
        assert "-0.7 better" in mae
        assert "-0.02 worse" in auc
        assert "±" not in seed
        assert "+" in depth
        assert rounds.lstrip("▌ ").startswith("-")
        view.set_diff("1.3.0", "1.4.0", differences, only_changed=True)
        assert "seed" not in [row.key for row in view.rows]
        view.set_diff("1.3.0", "1.4.0", [Difference("seed", "42", "42")], only_changed=True)
        await settled(pilot)
        assert "do not differ" in app.text()[1]


def test_no_widget_loads_numpy_or_pandas():
    modules = sorted(path.stem for path in Path(widgets.__file__).parent.glob("[a-z]*.py"))
    assert "live_table" in modules
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module('widgets.' + name)\n"
        "assert not {'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
