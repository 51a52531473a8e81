"""The registry by model, and only what is live: what is hidden is said, counted, and shown by a jump."""

import pytest


def keys(console) -> list[str]:
    return [row.key for row in console.screen.main_table().rows]


async def test_f_folds_versions_into_models_and_back_on_the_same_model(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "G")
        model, _, _ = console.screen.main_table().cursor_key.partition("/")
        n_versions = len(keys(console))
        await console.press("f")
        assert keys(console) == sorted({version.model for version in console.app.snapshot.versions})
        assert console.screen.main_table().cursor_key == model
        assert f"{n_versions} versions folded into 4 models" in console.text()
        await console.press("f")
        assert len(keys(console)) == n_versions
        assert console.screen.main_table().cursor_key.startswith(f"{model}/")


async def test_a_model_says_its_live_version_its_versions_and_its_rollout(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "f")
        snapshot = console.app.snapshot
        for row in console.screen.main_table().rows:
            _, live, _, n_versions, following, _ = (getattr(cell, "text", cell) for cell in row.cells)
            assert live == (next(m.production for m in snapshot.models if m.model == row.key) or "none")
            assert int(n_versions) == sum(version.model == row.key for version in snapshot.versions)
            if (rollout := snapshot.active_rollout(row.key)) is not None:
                assert rollout.candidate in following


async def test_enter_shows_the_versions_of_a_model_and_esc_folds_them_again(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "f", "j")
        model = console.screen.main_table().cursor_key
        await console.press("enter")
        assert console.screen.main_table().cursor_key.startswith(f"{model}/")
        await console.press("escape")
        assert console.screen.main_table().cursor_key == model
        await console.press("escape")
        assert "/" in console.screen.main_table().cursor_key
        await console.press("escape")
        assert console.screen.NAME == "registry"


async def test_keys_about_a_version_are_dim_on_a_model_and_those_about_models_work(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "slash", *"spread prod", "enter", "f", "P")
        assert console.sentence == "No version is selected."
        await console.dialog("R")
        assert "Roll back" in console.text()
        assert "spread" in console.text()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
async def test_only_live_hides_the_rest_and_counts_it(open_console, size):
    async with open_console(size) as console:
        await console.press("3", "o")
        snapshot = console.app.snapshot
        live = {f"{model.model}/{model.production}" for model in snapshot.models if model.production}
        assert set(keys(console)) == live
        assert f"only live: {len(snapshot.versions) - len(live)} versions hidden" in console.text()
        await console.press("f")
        assert len(keys(console)) == len(live)
        await console.press("o", "f")
        assert len(keys(console)) == len(snapshot.versions)
        assert "hidden" not in console.text()


async def test_a_jump_shows_a_version_that_was_hidden(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "o", "f")
        hidden = next(version.key for version in console.app.snapshot.versions if version.stage == "Archived")
        console.screen.show_row(hidden)
        await console.settled()
        assert console.screen.main_table().cursor_key == hidden


async def test_a_place_among_folded_models_is_returned_to(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3", "f", "j")
        model = console.screen.main_table().cursor_key
        await console.app.action_go("audit")
        await console.press("escape")
        assert console.screen.main_table().cursor_key == model
