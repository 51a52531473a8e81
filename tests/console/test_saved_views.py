"""Saved views in the console: opened, listed, filtered, saved from the screen, and honest about what is gone."""

import re
from pathlib import Path

import pytest

from console.cli.main import main
from console.dialogs.change import ChangeDialog
from console.presentation.view_panes import COURSE, DRAWN, columns_of, model_of
from console.screens.view import ViewScreen, shared_rows
from console.verbs.line import complete
from core.actor import Actor, Origin
from core.saved_views import PANES, SavedViews, ViewPane, check_view_file, checked_view
from core.saved_views.saved_view import SavedView
from core.view.snapshot import Snapshot
from tests.console.conftest import NOW
from tools.demo_views import VIEW, view_demo
from tools.views_page import PAGE, page

ANA = Actor("ana", "desk", Origin.API)


@pytest.fixture
def desk(workspace):
    view_demo(workspace, NOW)
    return workspace


def test_the_console_draws_every_pane_with_the_columns_of_the_catalog():
    assert set(DRAWN) | {COURSE} == set(PANES)
    for kind in DRAWN:
        assert tuple(column.key for column in columns_of(kind) if column.is_titled) == PANES[kind].columns


def test_the_page_has_the_panes_of_today():
    assert PAGE.read_text(encoding="utf-8") == page(PAGE.read_text(encoding="utf-8")), "python -m tools.views_page"


def test_the_page_explains_every_key_and_its_file_is_one(tmp_path):
    from core.saved_views.checking import PANE_KEYS, VIEW_KEYS

    text = PAGE.read_text(encoding="utf-8")
    for key in (*VIEW_KEYS, *PANE_KEYS):
        assert f"| `{key}` |" in text
    example = Path(__file__).parents[2] / "examples" / "dashboard_customization" / "views.yaml"
    (tmp_path / "page.yaml").write_text(re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1])
    for file in (example, tmp_path / "page.yaml"):
        views, faults = check_view_file(file)
        assert (len(views) > 1, faults) == (True, [])


@pytest.mark.parametrize(
    ("room", "wanted", "focused", "heights"),
    [
        (20, [0, 0, 0], 0, [7, 7, 6]),
        (20, [0] * 6, 0, [6, 6, 5, 1, 1, 1]),
        (20, [0] * 6, 5, [6, 5, 1, 1, 1, 6]),
        (30, [5, 0], 0, [5, 25]),
        (30, [5, 5], 0, [5, 25]),
        (4, [0, 0, 0], 1, [1, 2, 1]),
    ],
)
def test_the_pane_in_focus_is_open_and_all_the_room_is_used(room, wanted, focused, heights):
    assert shared_rows(room, wanted, focused) == heights


def test_a_row_of_every_pane_names_its_model_or_none():
    snapshot = Snapshot(taken_at=NOW, workspace=Path())
    assert model_of("models", "spread", snapshot) == "spread"
    assert model_of("drift", "spread@1.2.0/live", snapshot) == "spread"
    assert model_of("versions", "spread/1.2.0", snapshot) == "spread"
    assert {model_of(kind, "st-0001", snapshot) for kind in ("stress", "rollouts", "alerts", "changes")} == {None}


async def opened(console, name=VIEW):
    await console.caught_up()
    await console.press("colon", *f"view {name}".strip(), "enter")
    await console.caught_up()
    screen = console.screen
    assert isinstance(screen, ViewScreen)
    return screen


async def test_a_view_opens_with_its_panes_about_its_models_alone(open_console, desk):
    async with open_console((120, 40)) as console:
        screen = await opened(console)
        assert [pane.pane for pane, _ in screen._panes] == ["alerts", "models", "drift", "course", "rollouts", "stress"]
        text = console.text()
        assert "Spread desk" in text
        models = next(drawn for pane, drawn in screen._panes if pane.pane == "models")
        assert {row.key for row in models.rows} == {"spread", "liquidity_shock"}
        assert [column.key for _, column in models.chosen_columns] == ["model", "live", "health", "next"]
        assert all("verdict:alarm" in each.filter_words for each in [screen._tables()[2]])


async def test_the_view_names_what_is_gone_and_shows_the_rest(open_console, desk):
    old = SavedView(
        name="relic",
        models=("spread", "swap_2019"),
        panes=(ViewPane(pane="ticker"), ViewPane(pane="models", columns=("model", "sharpe"), sort="alpha desc")),
    )
    SavedViews(desk).save([old], actor=ANA)  # as an earlier release may have saved it
    async with open_console((160, 48)) as console:
        await opened(console, "relic")
        text = console.text()
        for clause in (
            "no model swap_2019",
            "no pane ticker",
            "no column sharpe of models",
            "no column alpha of models",
        ):
            assert clause in text
        assert "Live models" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_many_missing_models_are_counted_and_the_command_that_names_them_is_said(open_console, desk, size):
    models = tuple(f"emea_credit_spread_{number:02}" for number in range(50))
    SavedViews(desk).save([SavedView(name="gone", models=models, panes=(ViewPane(pane="models"),))], actor=ANA)
    async with open_console(size) as console:
        await opened(console, "gone")
        text = " ".join(console.text().split())
        assert "50 models: 0 models" in text
        assert "no model emea_credit_spread_00; 49 more: bondx view show gone" in text
        assert "more lines" not in text


def test_the_command_lists_a_view_of_many_models_in_a_narrow_row(desk, capsys):
    models = tuple(f"emea_credit_spread_{number:02}" for number in range(50))
    SavedViews(desk).save([SavedView(name="many", models=models, panes=(ViewPane(pane="models"),))], actor=ANA)
    assert main(["--workspace", str(desk.root), "view", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("many"))
    assert "50 models" in row
    assert len(row) < 150


async def test_a_filter_holds_across_all_panes_and_escape_leads_back(open_console, desk):
    async with open_console((120, 40)) as console:
        screen = await opened(console)
        await console.press("slash", *"spread", "enter")
        words = [table.filter_words for table in screen._tables()]
        assert words == ["spread", "spread", "verdict:alarm spread", "spread", "spread"]
        await console.press("escape")
        assert [table.filter_words for table in screen._tables()][2] == "verdict:alarm"
        await console.press("escape")
        assert screen.view is None
        assert screen.main_table().cursor_key == VIEW
        await console.press("enter")
        assert screen.view is not None


async def test_tab_opens_a_folded_pane_at_80x24_and_all_titles_stay_in_view(open_console, desk):
    async with open_console((80, 24)) as console:
        screen = await opened(console)
        text = console.text()
        for title in (
            "Alerts",
            "Live models",
            "Inputs and answers",
            "Course of performance",
            "Rollouts",
            "Stress tests",
        ):
            assert title in text
        last = screen._panes[-1][1]
        assert last.has_class("-folded")
        for _ in range(4):
            await console.press("tab")
        assert screen.focused is last
        await console.until(lambda: not last.has_class("-folded"), "the pane in focus to open")
        assert "No stress test yet." in console.text()


async def test_a_pane_that_is_given_room_has_the_title_of_its_new_size_at_once(open_console, desk):
    async with open_console((80, 24)) as console:
        screen = await opened(console)
        first = screen._panes[0][1]
        first.add_class("-folded")  # as before its view was laid out
        screen._entitle(*screen._panes[0])
        screen.tick()
        assert str(first._border_title) == "Alerts: 2 firing"
        screen._share_room()
        assert str(first._border_title) == "Alerts"


async def test_keys_act_on_the_row_in_focus(open_console, desk):
    async with open_console((120, 40)) as console:
        screen = await opened(console)
        await console.press("K")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog), "the dialog of an acknowledgement")
        await console.press("escape")
        await console.press("tab", "w")
        assert "is degraded" in console.text() or "Why" in console.text()
        await console.press("escape")
        await console.press("enter")
        assert console.screen.NAME == "registry"
        await console.press("escape")
        assert console.screen is screen


async def test_another_persons_change_of_the_view_is_shown(open_console, desk):
    async with open_console((120, 40)) as console:
        screen = await opened(console)
        SavedViews(desk).save([checked_view(VIEW, {"panes": ["changes"]})], actor=ANA, replace=True)
        await console.caught_up()
        assert [pane.pane for pane, _ in screen._panes] == ["changes"]
        SavedViews(desk).delete(VIEW, actor=ANA)
        await console.caught_up()
        assert "the view was deleted meanwhile" in console.text()


async def test_what_is_on_the_screen_becomes_a_view(open_console, desk):
    async with open_console((120, 40)) as console:
        await console.caught_up()
        await console.press("3", "slash", *"prod", "enter")
        await console.press("colon", *"columns model,version,stage", "enter")
        await console.press("colon", *"sort version desc", "enter")
        dialog = await console.dialog("colon", *"view save rates-desk spread, liq*", "enter")
        assert isinstance(dialog, ChangeDialog)
        assert "versions  model, version, stage; filter prod; by version desc" in console.text()
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: len(SavedViews(desk).all()) == 3, "the view")
        saved = SavedViews(desk).get("rates-desk")
        assert saved.models == ("spread", "liq*")
        assert saved.panes == (
            ViewPane(pane="versions", columns=("model", "version", "stage"), filter="prod", sort="version desc"),
        )


async def test_columns_chosen_in_a_view_are_saved_with_it_and_not_for_the_user(open_console, desk):
    async with open_console((120, 40)) as console:
        screen = await opened(console)
        await console.press("tab")
        await console.press("colon", *"columns model,health", "enter")
        assert not [name for name in console.app.preferences._choices().columns if not name or "view" in name]
        assert screen.panes_to_save()[1] == ViewPane(pane="models", columns=("model", "health"))
        await console.dialog("colon", *f"view save {VIEW}", "enter")
        assert "It replaces the view that mira@desk-4 saved." in console.text()
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: SavedViews(desk).get(VIEW).revision == 2, "the view")
        assert SavedViews(desk).get(VIEW).title == "Spread desk"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("view spred-desk", "There is no view spred-desk; did you mean spread-desk?"),
        ("view spread-desk more", "Type :view spread-desk, or :view save more."),
        ("view save", "Type :view save NAME."),
        ("view delete nothing-here", "There is no view nothing-here; choose from old-desk, spread-desk"),
        ("view save Rates", "'Rates' is no name of a view"),
    ],
)
async def test_a_line_that_cannot_be_carried_out_says_why(open_console, desk, line, told):
    async with open_console((160, 48)) as console:
        await console.caught_up()
        await console.press("colon", *line, "enter")
        assert told in console.sentence


async def test_a_screen_without_such_lists_and_a_disarmed_console_save_nothing(open_console, desk):
    async with open_console((160, 48)) as console:
        await console.caught_up()
        await console.press("7", "colon", *"view save here", "enter")
        assert "No list of this screen can be a pane of a view." in console.sentence
        await console.press("3", "exclamation_mark", "colon", *"view save here", "enter")
        assert len(SavedViews(desk).all()) == 2
        assert "rm" in console.sentence


async def test_completion_offers_the_views_and_deleting_asks(open_console, desk):
    async with open_console((120, 40)) as console:
        await console.caught_up()
        assert complete("view sp", console.app) == ("view spread-desk ",)
        assert complete("view delete ", console.app) == ("view delete old-desk ", "view delete spread-desk ")
        await console.dialog("colon", *"view delete old-desk", "enter")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: [each.name for each in SavedViews(desk).all()] == [VIEW], "the deletion")


async def test_a_workspace_without_views_says_how_to_make_one(open_console, workspace):
    async with open_console((80, 24)) as console:
        await opened(console, "")
        assert ":view save NAME" in console.text()


async def test_below_80x24_the_pane_in_focus_is_shown(open_console, desk):
    async with open_console((60, 14)) as console:
        await opened(console)
        assert "firing" in console.text() or "F" in console.text()
