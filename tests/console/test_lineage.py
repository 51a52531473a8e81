"""The lineage in the Registry: drawn around the version under the cursor, walked with the keys of a list."""

from datetime import UTC, datetime

import pytest

from console.presentation import lineage
from console.verbs.version import VERSION
from core.registry import Registry
from core.view.source import SnapshotSource
from tools.demo import OPERATOR
from widgets.glyphs import ASCII, UNICODE

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
SIZES = [(80, 24), (160, 48), (40, 12)]


async def at(console, key: str) -> None:
    """Put the cursor of the Registry on a version."""
    await console.press("3")
    await console.until(lambda: console.screen.NAME == "registry" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(key)
    await console.settled()


def drawn(console) -> list[str]:
    """The lines and the version of every row, as the table has them."""
    return ["".join(getattr(cell, "text", cell) for cell in row.cells[:2]) for row in console.screen.main_table().rows]


def grow(registry: Registry, folder, n_versions: int, **options) -> None:
    folder.mkdir()
    for number in range(n_versions):
        (folder / "model.txt").write_text(str(number))
        registry.register("nightly", folder, metrics={"auc": 0.9}, gates=(), **{"lineage": {}, **options})


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_branches_merges_names_and_live_versions_show_at_every_size(open_console, size):
    async with open_console(size) as console:
        await at(console, "spread/1.2.0")
        await console.press("t")
        assert drawn(console) == ["○─╮1.3.0", "● │1.2.0", "├─○1.1.0", "○1.0.0"]
        text = console.text()
        assert "Production" in text
        if size[1] >= 24:
            for fact in ("Lineage of spread", "@baseline", "CHANGED", "94.2%", "from     1.0.0", "became   1.3.0"):
                assert fact in text, fact


async def test_the_list_counts_versions_and_models(open_console):
    async with open_console((80, 24)) as console:
        await at(console, "spread/1.2.0")
        assert "16 versions of 4 models" in console.text()


async def test_keys_walk_the_graph_open_a_version_and_go_back_one_level_at_a_time(open_console):
    async with open_console((80, 24)) as console:
        await at(console, "spread/1.2.0")
        await console.press("t", "j", "enter")
        screen = console.screen
        assert screen.is_covered
        assert "1.1.0" in screen.query_one("#details").text
        await console.press("escape")
        assert screen.main_table().id == "lineage"
        assert screen.selected(VERSION) == ("spread", "1.1.0")
        await console.press("escape")
        assert screen.main_table().id == "versions"
        assert screen.main_table().cursor_key == "spread/1.1.0"
        await console.press("escape", "t", "t")
        assert screen.main_table().id == "versions"


async def test_the_keys_of_the_list_work_in_the_graph(open_console):
    async with open_console((120, 40)) as console:
        await at(console, "spread/1.2.0")
        await console.press("t", "space", "k")
        assert drawn(console)[1] == "● │1.2.0 →"
        await console.press("w")
        assert "Why trust spread 1.3.0" in console.text()
        await console.press("escape", "slash", *"prod", "enter")
        assert drawn(console) == ["●1.2.0 →"]  # a list with gaps has no lines
        await console.press("escape")  # the mark
        assert len(drawn(console)) == 1
        await console.press("escape")  # the filter
        assert len(drawn(console)) == 4
        await console.dialog("P")
        assert "spread" in console.text()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("lineage spread 1.1.0", "spread/1.1.0"),
        ("lineage spread @baseline", "spread/1.0.0"),
        ("lineage spread", "spread/1.2.0"),
        ("lineage anomaly", "anomaly/1.3.0"),
    ],
    ids=["a version", "an alias", "the live one", "the newest where none is live"],
)
async def test_a_command_draws_the_lineage_of_a_version(open_console, line, key):
    async with open_console((80, 24)) as console:
        console.app.commands.run(line)
        await console.until(lambda: console.screen.NAME == "registry" and console.screen.main_table().id == "lineage")
        await console.until(lambda: console.screen.main_table().cursor_key == key)


async def test_a_command_without_words_draws_the_row_under_the_cursor(open_console):
    async with open_console((80, 24)) as console:
        await at(console, "downgrade/1.1.0")
        console.app.commands.run("lineage")
        await console.until(lambda: console.screen.main_table().id == "lineage")
        await console.settled()
        assert console.screen.main_table().cursor_key == "downgrade/1.1.0"


@pytest.mark.parametrize(
    ("line", "said"),
    [("lineage spraed", "No model spraed"), ("lineage spread 7.0.0", "spread has no version 7.0.0")],
)
async def test_a_lineage_of_a_missing_version_is_answered_in_the_footer(open_console, line, said):
    async with open_console((120, 24)) as console:
        console.app.commands.run(line)
        await console.settled()
        assert said in console.sentence


async def test_an_alert_leads_to_the_list_although_a_lineage_was_drawn(open_console):
    async with open_console((120, 40)) as console:
        await at(console, "spread/1.2.0")
        await console.press("t", "1")
        assert console.screen.main_table().move_to("downgrade")
        console.screen.main_table().focus()
        await console.press("enter")
        await console.until(lambda: console.screen.NAME == "registry")
        await console.until(lambda: console.screen.main_table().cursor_key == "downgrade/1.2.0")
        assert console.screen.main_table().id == "versions"


async def test_a_long_history_is_folded_around_the_cursor_and_unfolds_with_enter(open_console, workspace, tmp_path):
    grow(Registry(workspace), tmp_path / "incoming", 40, actor=OPERATOR)
    async with open_console((80, 24)) as console:
        console.app.commands.run("lineage nightly 1.20.0")
        await console.until(lambda: console.screen.main_table().id == "lineage")
        await console.settled()
        assert [row for row in drawn(console) if "more" in row] == ["⋮14 more", "⋮15 more"]
        await console.until(lambda: "40 versions" in console.text())
        await console.press("g", "j", "enter")
        assert [row for row in drawn(console) if "more" in row] == ["⋮15 more"]
        assert console.screen.main_table().id == "lineage"


def test_pruned_versions_are_marked(workspace, tmp_path):
    registry = Registry(workspace)
    grow(registry, tmp_path / "incoming", 4, actor=OPERATOR)
    registry.prune(registry.plan_prune("nightly", keep=1), actor=OPERATOR)
    tree = lineage.family(SnapshotSource(workspace).take(), "nightly")
    assert [tree.by_key[graph_row.key].stage for graph_row in tree.graph] == ["Development", None, None, None]
    facts = "\n".join(line.text for line in lineage.fact_lines(tree, "nightly/1.3.0"))
    assert "1.2.0 (pruned " in facts
    assert "no parent is recorded" not in facts, "1.3.0 has a record of what it replaces"
    gone = "\n".join(line.text for line in lineage.fact_lines(tree, "nightly/1.2.0"))
    assert "no parent is recorded" in gone
    rows = lineage.rows(tree, "nightly", NOW, ASCII, near="nightly/1.3.0")
    assert [(row.cells[0].text, row.cells[2].text) for row in rows] == [("o", "Development"), *[("x", "gone")] * 3]


def test_versions_of_other_models_name_their_model(workspace):
    tree = lineage.family(SnapshotSource(workspace).take(), "liquidity_shock")
    labels = {row.key: row.cells[1].text for row in lineage.rows(tree, "liquidity_shock", NOW, UNICODE, near="")}
    assert labels["liquidity_shock/1.3.0"] == "1.3.0"
    assert labels["downgrade/1.3.0"] == "downgrade 1.3.0"
