""":explain in the console, and the lines of explanations: bars, signs, what is near, and what would turn an answer."""

import shutil
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from console.commands.served_trend import print_trends
from console.dialogs.text import TextDialog
from console.presentation.explanation import MOST, change_lines, contribution_lines, importance_lines, trend_lines
from console.verbs.explain import row_number
from core.actor import Actor, Origin
from core.errors import UsageError
from core.explain.comparison import ImportanceChange
from core.explain.documents import (
    AnswerInterval,
    CellChange,
    Counterfactual,
    FeatureContribution,
    FeatureImportance,
    FeatureInteraction,
    GlobalExplanation,
    LocalExplanation,
    NearRow,
    Surrogate,
)
from core.explain.served_sketch import ContributionBasis, ContributionSketch, merged_contributions
from core.explain.served_trend import trend_report
from core.explain.stored import EXPLANATION_NAME, StoredExplanation
from core.registry import Registry
from core.telemetry.live import CountedMinute, LiveWriter
from core.training.own_data.explanation import ComparedExplanations
from core.training.own_data.served_trend import NotExplained, ServedExplanation
from widgets.glyphs import ASCII, UNICODE

HOW = {"reference": "40 rows", "scale": "log odds", "algorithm": "TreeSHAP", "method": "auto", "cost": "one pass a row"}


def importance(feature, size):
    return FeatureImportance(
        feature=feature, importance=size, low=0.9 * size, high=1.1 * size, share=0.5, best_rank=1, worst_rank=2
    )


VERSION = GlobalExplanation(
    n_rows=200,
    n_units=40,
    base=0.1,
    sum_error=1e-12,
    features=(
        importance("rating", 0.8),
        importance("a_name_that_is_longer_than_its_column", 0.4),
        importance("none", 0.0),
    ),
    surrogate=Surrogate(fidelity=0.71, rules=(), disagrees=""),
    notes=("Two columns go together.",),
    **HOW,
)
ROW = LocalExplanation(
    prediction=0.75,
    margin=1.1,
    base=0.1,
    sum_error=0.0,
    output="yes",
    contributions=(
        FeatureContribution(feature="rating", value=9.0, contribution=1.5),
        FeatureContribution(feature="sector", value=None, contribution=-0.5),
        FeatureContribution(feature="none", value="x", contribution=0.0),
    ),
    nearest=(NearRow(row=7, distance=0.1, prediction=0.7, actual=1.0),),
    counterfactual=Counterfactual(
        changes=(CellChange(feature="rating", before=9.0, after=4.0),), prediction=0.3, distance=0.2, n_asked=10
    ),
    interval=AnswerInterval(level=0.9, low=0.5, high=0.9, method="split conformal"),
    **HOW,
)


def texts(lines):
    return [line.text for line in lines]


def test_importances_are_bars_with_intervals_and_notes():
    lines = texts(importance_lines(VERSION, ASCII))
    assert lines[0].startswith("rating")
    assert "#" * 20 in lines[0]
    assert "0.72 to 0.88" in lines[0]
    assert lines[1].count("#") == 10
    assert "~" in lines[1]
    assert not any("none" in line for line in lines)
    assert "A small tree imitates it with R² 0.71." in lines
    assert lines[-1] == "Two columns go together."


def test_contributions_point_to_the_side_of_their_sign():
    lines = texts(contribution_lines(ROW, ASCII))
    assert lines[0] == "Answer 0.75, the probability of yes"
    assert lines[1] == "90% interval 0.5 to 0.9"
    rating, sector = lines[3], lines[4]
    assert rating.index("|") < rating.index("#")
    assert sector.index("#") < sector.index("|")
    assert "empty" in sector
    assert not any(line.startswith("none") for line in lines)
    assert "Base 0.1 and contributions: 1.1 (log odds)" in lines
    assert "It turns with rating from 9.0 to 4.0: then 0.3." in lines
    assert "Row 7 is near (0.100): answer 0.7, the outcome was 1" in lines


def test_a_long_list_is_bounded_and_adds_up():
    many = tuple(FeatureContribution(feature=f"c{k}", value=1.0, contribution=0.1) for k in range(MOST + 4))
    lines = texts(contribution_lines(msgspec.structs.replace(ROW, contributions=many), UNICODE))
    assert "4 columns more add +0.4" in lines


def test_pairs_are_shown_with_their_interval_or_their_h_statistic():
    exact = FeatureInteraction(features=("rating", "sector"), strength=0.25, low=0.2, high=0.3)
    asked = FeatureInteraction(features=("rating", "size"), strength=0.1, h_statistic=0.4)
    report = msgspec.structs.replace(VERSION, interactions=(exact, asked), interaction_method="as asked")
    lines = texts(importance_lines(report, ASCII))
    assert any(line.startswith("rating") and "x sector" in line and "0.2 to 0.3" in line for line in lines)
    assert any("x size" in line and "H 0.40" in line for line in lines)
    assert "Interactions: as asked." in lines
    none = texts(importance_lines(msgspec.structs.replace(report, interactions=()), ASCII))
    assert "No pair of columns does." in none


def test_two_versions_are_side_by_side_and_clear_changes_are_marked():
    change = ImportanceChange(
        feature="rating", before=0.2, after=0.6, change=0.4, rank_before=3, rank_after=1, is_clear=True
    )
    new = ImportanceChange(
        feature="size", before=None, after=0.1, change=0.1, rank_before=None, rank_after=5, is_clear=False
    )
    compared = ComparedExplanations(
        model="spread",
        before="1.0.0",
        after="1.1.0",
        scales=("log odds", "log odds"),
        algorithms=("TreeSHAP", "linear terms"),
        features=(change, new),
    )
    lines = texts(change_lines(compared, ASCII))
    assert lines[0].split() == ["1.0.0", "1.1.0", "change", "rank"]
    assert lines[1].split() == ["rating", "###", "20.0%", "##########", "60.0%", "+40.0", "3", ">", "1", "clear"]
    assert lines[2].split()[1:3] == ["-", "##"]
    assert "clear" not in lines[2]
    assert lines[-1] == "TreeSHAP and linear terms; log odds."


async def test_explain_against_asks_for_the_other_version_and_says_what_is_wrong_with_it(open_console):
    async with open_console((100, 30)) as console:
        version = console.app.snapshot.versions[0]
        await console.press("colon", *f"explain_against {version.model} {version.version}", "enter")
        assert "Name the version to compare with" in console.sentence
        await console.press("colon", *f"explain_against {version.model} {version.version} 9.9.9", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
        await console.settled()
        assert f"What {version.model} {version.version} relies on, against 9.9.9" in console.text()


async def test_explain_says_why_a_version_without_a_model_cannot_be_explained(open_console):
    async with open_console((100, 30)) as console:
        version = console.app.snapshot.versions[0]
        await console.press("colon", *f"explain {version.model} {version.version}", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
        await console.settled()
        assert f"What {version.model} {version.version} relies on" in console.text()
        await console.press("escape", "colon", *f"explain {version.model} {version.version} x", "enter")
        assert "x is no row" in console.sentence


async def test_w_on_a_version_ends_with_what_it_relies_on(workspace, tmp_path, open_console):
    known = Registry(workspace).versions()[0]
    folder = tmp_path / "explained"
    shutil.copytree(workspace.artifacts_dir / known.path, folder)
    for name in ("MANIFEST.json", "registration.json"):
        (folder / name).unlink(missing_ok=True)
    folder.chmod(0o755)
    (folder / EXPLANATION_NAME).write_bytes(StoredExplanation(report=VERSION).to_bytes())
    actor = Actor("ana", "desk", Origin.COMMAND_LINE)
    registered = Registry(workspace).register("explained", folder, metrics={}, lineage={}, gates=(), actor=actor)
    async with open_console((120, 40)) as console:
        await console.press("3")
        await console.settled()
        console.app.screen.main_table().move_to(registered.key)
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
        await console.press("end")
        await console.settled()
        assert "Relies on" in console.text() or "imitates it with" in console.text()


def test_a_row_is_named_by_its_position():
    assert row_number("0") == 0


def test_a_time_asks_for_served_answers():
    assert row_number("24h") == timedelta(hours=24)
    with pytest.raises(UsageError, match="not a duration"):
        row_number("7x")


def trend_of(*, factor, n_ways=1):
    """A week of a version whose first column counts more in the later half, explained in as many ways."""
    start, basis = datetime(2026, 3, 2, tzinfo=UTC), ContributionBasis(("rating", "size"), "TreeSHAP", "bp", None, "x")
    random = np.random.default_rng(1)
    stored = []
    for place in range(28 * n_ways):
        way = msgspec.structs.replace(basis, reference=f"x{place // 28}") if place >= 28 else basis
        values = random.normal(size=(200, 2)) * [factor if place % 28 >= 14 else 1.0, 1.0]
        stored.append((start + place % 28 * timedelta(hours=6), ContributionSketch.of(way, values, 1_000)))
    end = start + timedelta(days=7)
    found = trend_report({"1.0.0": stored}, start=start, end=end, step=timedelta(hours=6))
    return ServedExplanation(
        model="spread",
        start=start,
        end=end,
        bucket_seconds=21_600,
        trends=found.trends,
        steps=found.steps,
        n_compared=found.n_compared,
        not_explained=(NotExplained(version="1.0.0", n_rows=7),),
        notes=found.notes,
    )


@pytest.mark.parametrize("glyphs", [ASCII, UNICODE], ids=["ascii", "unicode"])
def test_the_course_of_an_importance_is_a_sparkline_and_a_change_is_marked(glyphs):
    lines = texts(trend_lines(trend_of(factor=3.0), glyphs))
    assert lines[0] == "spread 1.0.0, answers since 2026-03-02 00:00 UTC"
    rating = next(line for line in lines if line.startswith("rating"))
    drawn = rating[22:42]
    assert len(set(drawn[:10]) & set(drawn[10:])) <= 1
    assert glyphs.levels[-1] in drawn[10:]
    assert f"{glyphs.up} 0." in rating
    size = next(line for line in lines if line.startswith("size"))
    assert glyphs.up not in size
    assert max(map(len, (rating, size))) <= 76
    assert "5,600 of 28,000 answers explained, at random; TreeSHAP." in lines
    assert "7 more answers of 1.0.0 are not represented: no explained answer stands for them." in lines
    assert lines[-1] == "A change: its interval excludes zero. False-change rate at most 5 % over all 2 figures."


def test_a_version_that_was_explained_in_two_ways_is_compared_with_itself_by_name(capsys):
    found = trend_of(factor=1.0, n_ways=2)
    said = "1.0.0, explained in two ways: no share of the importance changed clearly."
    assert said in texts(trend_lines(found, ASCII))
    print_trends(found)
    assert "share of the importance while served, 1.0.0, explained in two ways\n" in capsys.readouterr().out


async def test_explain_with_a_time_shows_what_was_served_or_says_that_nothing_was(open_console):
    async with open_console((80, 24)) as console:
        version = console.app.snapshot.versions[0]
        await console.press("colon", *f"explain {version.model} {version.version} 7d", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
        await console.settled()
        assert "relied on while it served" in console.text()
        assert f"No answer of {version.model}" in console.text()


@pytest.mark.parametrize("asked", ["w", ":explain"])
async def test_the_course_of_what_a_version_relied_on_while_it_served_is_shown(workspace, open_console, clock, asked):
    version = Registry(workspace).versions()[0]
    basis, random = ContributionBasis(("rating", "size"), "TreeSHAP", "bp", None, "x"), np.random.default_rng(1)
    async with open_console((80, 24)) as console:
        now = console.app.now()
        with LiveWriter(workspace.contributions_file, merged_contributions, clock=lambda: now) as writer:
            for hours in range(1, 151):
                values = random.normal(size=(60, 2)) * [3.0 if hours <= 75 else 1.0, 1.0]
                content = ContributionSketch.of(basis, values, 100).to_bytes()
                at = int((now - timedelta(hours=hours)).timestamp()) // 60 * 60
                writer.add(CountedMinute(version.model, version.version, basis.number, at, 100, 0, content))
            writer.flush()
        if asked == "w":
            await console.press("3")
            await console.settled()
            console.app.screen.main_table().move_to(version.key)
            await console.press("w")
        else:
            await console.press("colon", *f"explain {version.model} {version.version} 7d", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Reading" not in console.text())
        await console.press("end")
        await console.settled()
        text = console.text()
        assert f"{version.model} {version.version}, answers since" in text
        assert "9,000 of 15,000 answers explained, at random; TreeSHAP." in text
        assert f"{'rating':<22}" in text
