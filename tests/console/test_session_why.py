"""The evidence behind a session: `w` on the Training screen."""

from core.training.epoch_slices import slice_table
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from tests.epoch_records import an_epoch


async def test_w_on_a_session_shows_the_scores_of_its_last_epoch_by_slice(open_console, workspace):
    session = Sessions(workspace).all()[-1]
    slices = {
        "spread": slice_table({"sector=banks": {"n_rows": 40.0, "r2_score": 0.51234}}),
        "downgrade": slice_table(
            {"sector=banks": {"n_rows": 44.0, "roc_auc_score": 0.75}, "sector=energy": {"n_rows": 30.0}}
        ),
    }
    SessionFiles(workspace).write_epoch(session, an_epoch(session.observed.epoch, slices=slices))
    async with open_console() as console:
        await console.press("2")
        await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows)
        assert console.screen.main_table().move_to(session.session_id)
        await console.settled()
        dialog = await console.dialog("w")
        lines = [" ".join(line.split()) for line in dialog.query_one("#dialog-body").text.splitlines()]

    start = lines.index(f"By sector, epoch {session.observed.epoch}")
    assert lines[start + 1 : start + 4] == ["sector rows downgrade AUC spread R²", "banks 44 0.750 0.512", "energy 30"]


async def test_w_on_a_session_without_a_report_of_its_epoch_shows_the_rest(open_console, workspace):
    session = Sessions(workspace).all()[-1]
    assert SessionFiles(workspace).read_epoch(session, session.observed.epoch) is None
    async with open_console() as console:
        await console.press("2")
        await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows)
        dialog = await console.dialog("w")
        text = dialog.query_one("#dialog-body").text
    assert "Settings" in text
    assert "By sector" not in text
