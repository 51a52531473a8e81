"""Names that begin alike stay apart: they get the spare width, are cut in the middle, and are whole in dialogs."""

import pytest

from core.actor import Actor
from core.registry import Registry
from tools.demo import gates

NAMES = [f"emea_investment_grade_spread_desk_model_{number:02d}" for number in range(6)]


@pytest.fixture
def workspace(workspace, tmp_path):
    (tmp_path / "model.txt").write_text("a model")
    registry = Registry(workspace)
    for name in NAMES:
        registry.register(
            name, tmp_path / "model.txt", metrics={}, lineage={}, gates=gates()[2:4], actor=Actor.engine()
        )
    return workspace


@pytest.mark.parametrize("key", ["1", "3"])
@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (160, 48)], ids=str)
async def test_no_two_models_read_alike(open_console, size, key):
    async with open_console(size) as console:
        await console.press(key)
        table = console.screen.main_table()
        place = next(index for index, column in enumerate(table.columns) if column.key == "model")
        width = dict(table._layout)[place]
        lines = [table._plain_line(row).text for row in table.rows if row.key.startswith("emea")]

        assert width >= 24 or size[0] < 160
        assert all(any(f"model_{number:02d}" in line for line in lines) or width < 15 for number in range(6))
        assert len({line.split("1.0.0")[0] for line in lines}) == len(NAMES)


async def test_a_name_is_whole_in_every_dialog(open_console):
    async with open_console((80, 24)) as console:
        for keys in (("P",), ("w",)):
            await console.press("3", "slash", *NAMES[3], "enter")
            dialog = await console.dialog(*keys)
            assert NAMES[3] in "".join(line.strip(" │") for line in console.text().splitlines()), dialog
            await console.press("escape")


async def test_completions_of_long_names_differ_and_the_chosen_one_is_in_view(open_console):
    async with open_console((80, 24)) as console:
        await console.press("colon", *"promote emea", "tab", "tab", "tab", "tab")

        assert "_03" in console.text()
        assert console.screen.query_one("#prompt-input").value.strip() == f"promote {NAMES[3]}"
        assert len({word for word in console.text().splitlines()[-1].split() if word.startswith("emea")}) > 2


@pytest.mark.parametrize("size", [(40, 12), (80, 24)], ids=str)
async def test_names_that_differ_in_the_middle_alone_are_cut_where_they_differ(open_console, workspace, size, tmp_path):
    names = [f"investment_grade_{place}_spread_desk_model_of_the_year_2026" for place in ("emea", "apac", "amer")]
    for name in names:
        Registry(workspace).register(
            name, tmp_path / "model.txt", metrics={}, lineage={}, gates=gates()[2:4], actor=Actor.engine()
        )
    async with open_console(size) as console:
        await console.press("3")
        table = console.screen.main_table()
        lines = [table._plain_line(row).text for row in table.rows if row.key.startswith("investment")]
        assert len(lines) == len(names)
        assert len({line.split("1.0.0")[0] for line in lines}) == len(names)
