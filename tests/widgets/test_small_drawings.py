"""Bars, sparklines, ages, and the panes of one line."""

from __future__ import annotations

import math

import pytest

from tests.apps import settled
from widgets.ages import age_text, stale_text
from widgets.bars import bar, sparkline
from widgets.gauge import Gauge
from widgets.gauges import GaugeList
from widgets.glyphs import ASCII, UNICODE, choose_glyphs
from widgets.key_footer import KeyFooter, KeyHint
from widgets.progress_line import ProgressLine
from widgets.status_line import Status, StatusLine


def drawn(share: float | None, width: int) -> str:
    return "".join(text for text, _ in bar(share, width))


@pytest.mark.parametrize(
    ("share", "picture"),
    [
        pytest.param(0.0, "──────────", id="nothing done"),
        pytest.param(0.001, "━─────────", id="what has begun shows"),
        pytest.param(0.5, "━━━━━─────", id="half"),
        pytest.param(0.999, "━━━━━━━━━─", id="what is not complete is not drawn complete"),
        pytest.param(1.0, "━━━━━━━━━━", id="complete"),
        pytest.param(7.0, "━━━━━━━━━━", id="more than all is all"),
        pytest.param(-1.0, "──────────", id="less than nothing is nothing"),
        pytest.param(None, "──────────", id="not known"),
        pytest.param(math.nan, "──────────", id="not a number"),
    ],
)
def test_a_bar_is_honest_about_its_ends(share, picture):
    assert drawn(share, 10) == picture


@pytest.mark.parametrize(
    ("values", "width", "picture"),
    [
        pytest.param([], 4, "    ", id="no value"),
        pytest.param([3.0], 4, "   ▄", id="one value stands in the middle"),
        pytest.param([1, 1, 1], 3, "▄▄▄", id="values that are alike"),
        pytest.param([0, math.nan, 1], 3, "▁ █", id="a gap stays a gap"),
        pytest.param([math.inf, -math.inf], 2, "  ", id="infinities are gaps"),
        pytest.param([0, 0, 1, 1], 2, "▁█", id="more values than cells are averaged"),
        pytest.param([1, 2], 0, "", id="no room"),
    ],
)
def test_a_sparkline_fills_its_width(values, width, picture):
    assert sparkline(values, width) == picture


def test_a_sparkline_has_a_plain_form():
    assert sparkline([0, 1], 2, glyphs=ASCII) == "_#"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(-5, "now"), (14.9, "now"), (15, "15s"), (59, "45s"), (60, "1m"), (299, "4m"), (899, "10m"), (3600, "1h")],
        *[(86_400 * 2, "2d"), (86_400 * 400, "400d")],
    ],
)
def test_ages_grow_in_coarse_steps(seconds, text):
    assert age_text(seconds) == text


def test_an_age_changes_at_most_thirty_times_in_an_hour():
    assert len({age_text(second) for second in range(3600)}) <= 30


def test_three_missed_ticks_make_a_pane_stale():
    assert stale_text(3.0) is None
    assert stale_text(3.1) == "stale"
    assert stale_text(30, tick_seconds=5) == "stale 30s"


@pytest.mark.parametrize(
    ("environ", "setting", "glyphs"),
    [
        pytest.param({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, "auto", UNICODE, id="a modern terminal"),
        pytest.param({"TERM": "tmux-256color", "LC_ALL": "C.utf8"}, "auto", UNICODE, id="C.utf8 in tmux"),
        pytest.param({"TERM": "linux", "LANG": "en_US.UTF-8"}, "auto", ASCII, id="the Linux console"),
        pytest.param({"TERM": "dumb", "LANG": "en_US.UTF-8"}, "auto", ASCII, id="a dumb terminal"),
        pytest.param({"TERM": "xterm", "LANG": "C"}, "auto", ASCII, id="a locale without UTF-8"),
        pytest.param(
            {"TERM": "xterm", "LC_ALL": "C", "LANG": "en_US.UTF-8"}, "auto", ASCII, id="LC_ALL overrules LANG"
        ),
        pytest.param({"TERM": "linux"}, "unicode", UNICODE, id="the setting overrules"),
        pytest.param({"TERM": "xterm", "LANG": "en_US.UTF-8"}, "ascii", ASCII, id="in both directions"),
    ],
)
def test_glyphs_follow_terminal_locale_and_setting(environ, setting, glyphs):
    assert choose_glyphs(environ, setting=setting) is glyphs


def test_every_ascii_glyph_is_ascii_and_those_in_columns_are_as_wide_as_their_unicode_glyph():
    for name in ASCII.__slots__:
        plain, rich = getattr(ASCII, name), getattr(UNICODE, name)
        assert plain.isascii()
        if name not in ("name", "separator", "arrow"):
            assert len(plain) == len(rich), name
    assert ASCII.arrow == "->"  # a lone ">" is "greater than"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("1% → 5% → 25%", "1% -> 5% -> 25%"),
        ("a → b → c     5m  done", "a -> b -> c   5m  done"),
        ("a → b  1m   c → d   2m", "a -> b 1m   c -> d  2m"),
        ("5 > 3", "5 > 3"),
    ],
)
def test_an_arrow_is_never_the_sign_of_greater_than_and_moves_no_column(text, spelled):
    assert ASCII.spelled(text) == spelled
    assert UNICODE.spelled(text) == text


def test_each_ascii_sign_has_one_meaning():
    drawing = {"name", "bar_full", "bar_empty", "rule", "upright", "corner", "tick", "thumb", "levels", "markers"}
    signs = [getattr(ASCII, name) for name in ASCII.__slots__ if name not in drawing]

    assert sorted(signs) == sorted(set(signs))
    assert not set(signs) & set(ASCII.markers)
    assert len(set(ASCII.markers)) == len(ASCII.markers)


A_STATUS = Status(
    host="desk-3.example",
    workspace="~/bonds/live",
    engine="headless",
    holder="anna@desk-3",
    engine_age="3h",
    armed=True,
    n_critical=2,
    n_warning=1,
    n_info=4,
    clock="14:02",
)


@pytest.mark.parametrize(
    ("width", "present", "absent"),
    [
        pytest.param(
            160,
            ["bondx", "desk-3.example", "~/bonds/live", "anna@desk-3 3h", "2 critical", "4 info", "14:02"],
            [],
            id="everything at 160",
        ),
        pytest.param(
            80,
            ["bondx", "~/bonds/live", "engine headless", "✗ 2", "! 1", "ARMED", "14:02"],
            ["4 info", "critical"],
            id="short words at 80",
        ),
        pytest.param(40, ["● engine", "✗ 2", "! 1", "ARMED", "14:02"], ["desk-3"], id="what matters at 40"),
        pytest.param(24, ["engine", "✗ 2", "ARMED"], ["14:02", "! 1"], id="alarms and lock at 24"),
    ],
)
async def test_the_status_line_drops_details_first_and_alarms_never(stage, width, present, absent):
    line = StatusLine()
    app = stage(line)
    async with app.run_test(size=(width, 3)) as pilot:
        line.set_status(A_STATUS)
        await settled(pilot)
        text = app.text()[0]
        assert [word for word in present if word not in text] == []
        assert [word for word in absent if word in text] == []


@pytest.mark.parametrize(
    ("status", "present"),
    [
        (Status(engine="here"), "● engine in this console"),
        (Status(engine="headless", pid=4711), "● engine headless pid 4711"),
        (Status(engine="none", n_acknowledged=2), "2 acknowledged"),
        (Status(engine="none"), "alerts unchecked"),
        (Status(engine="silent", engine_age="2m"), "alerts unchecked"),
        (Status(engine="headless"), "no alerts"),
        (Status(engine="replica", follows="https://desk:8501"), "● replica of https://desk:8501"),
    ],
)
async def test_the_status_line_says_where_the_engine_is_and_forgets_no_open_alert(stage, status, present):
    line = StatusLine()
    app = stage(line)
    async with app.run_test(size=(100, 3)) as pilot:
        line.set_status(status)
        await settled(pilot)
        assert present in app.text()[0]
        is_checked = status.engine not in ("none", "silent")
        assert ("no alerts" in app.text()[0]) is (status.n_acknowledged == 0 and is_checked)


async def test_an_unchanged_status_sends_nothing(stage):
    line = StatusLine()
    app = stage(line)
    async with app.run_test(size=(120, 3)) as pilot:
        line.set_status(A_STATUS)
        await settled(pilot)
        app.forget()
        line.set_status(A_STATUS)
        await settled(pilot)
        assert app.n_bytes == 0


async def test_the_footer_drops_the_least_important_keys_and_keeps_the_pinned_one(stage):
    footer = KeyFooter()
    app = stage(footer)
    hints = [KeyHint(key, f"does {key}") for key in "abcdefghij"] + [KeyHint("?", "help", pinned=True)]
    async with app.run_test(size=(40, 3)) as pilot:
        footer.set_keys(hints)
        await settled(pilot)
        text = app.text()[-1]
        assert text.startswith(" a does a")
        assert text.endswith("? help")
        assert "does j" not in text


async def test_a_dim_key_never_takes_the_room_of_a_usable_one(stage):
    footer = KeyFooter()
    app = stage(footer)
    hints = [KeyHint(key, "promote", enabled=False) for key in "ABCD"] + [KeyHint(key, "look") for key in "abcd"]
    async with app.run_test(size=(40, 3)) as pilot:
        footer.set_keys(hints)
        await settled(pilot)
        assert app.text()[-1] == " a look  b look  c look  d look"


async def test_a_key_that_does_not_work_is_in_parentheses(stage):
    footer = KeyFooter()
    app = stage(footer)
    async with app.run_test(size=(40, 3)) as pilot:
        footer.set_keys([KeyHint("P", "promote", enabled=False), KeyHint("Enter", "open")])
        await settled(pilot)
        assert app.text()[-1] == " (P promote)  Enter open"
        footer.say("Promoted spread 1.4.0.", "good")
        await settled(pilot)
        assert app.text()[-2:] == [" Promoted spread 1.4.0.", " (P promote)  Enter open"]
        footer.say("")
        await settled(pilot)
        assert "Enter open" in app.text()[-1]


@pytest.mark.parametrize(
    ("width", "share", "text"),
    [
        pytest.param(70, 0.415, "about 12 min left", id="with its note"),
        pytest.param(40, 0.415, " 41%", id="without its note"),
        pytest.param(22, 0.415, "epoch 41 of 100    41%", id="without its bar"),
        pytest.param(70, 0.9999, " 99%", id="what is not complete never says 100%"),
        pytest.param(70, 1.0, "100%", id="what is complete does"),
    ],
)
async def test_progress_fits_any_width(stage, width, share, text):
    line = ProgressLine()
    app = stage(line)
    async with app.run_test(size=(width, 3)) as pilot:
        line.set_progress("epoch 41 of 100", share, "about 12 min left")
        await settled(pilot)
        assert text in app.text()[0]


async def test_unknown_progress_names_no_percentage(stage):
    line = ProgressLine()
    app = stage(line)
    async with app.run_test(size=(60, 3)) as pilot:
        line.set_progress("preparing", None)
        await settled(pilot)
        assert "%" not in app.text()[0]


async def test_gauges_over_their_limits_are_marked_without_colour(stage):
    gauges = GaugeList()
    app = stage(gauges)
    async with app.run_test(size=(60, 5)) as pilot:
        gauges.set_gauges(
            [
                Gauge("CPU", 0.95, "95%", warn_at=0.8, alert_at=0.9, history=(0.1, 0.5, 0.95)),
                Gauge("Memory", 0.86, "86%", warn_at=0.85),
                Gauge("Disk", 0.2, "20%", warn_at=0.9),
                Gauge("GPU", None, "none"),
            ]
        )
        await settled(pilot)
        cpu, memory, disk, gpu = app.text()[:4]
        assert "95% ✗" in cpu
        assert "86% !" in memory
        assert "20%" in disk
        assert "!" not in disk
        assert "none" in gpu


async def test_a_gauge_that_ticks_sends_little(stage):
    gauges = GaugeList()
    app = stage(gauges)
    async with app.run_test(size=(80, 5)) as pilot:
        gauges.set_gauges([Gauge("CPU", 0.50, "50%")])
        await settled(pilot)
        app.forget()
        gauges.set_gauges([Gauge("CPU", 0.51, "51%")])
        await settled(pilot)
        assert 0 < app.n_bytes < 150
