"""Evidence packs and backups in the console: asked for by command, listed on Audit."""

import pytest

from core.evidence import EvidencePacks, verify_pack
from core.maintenance.backup.history import BackupHistory
from tools.demo import OPERATOR


async def confirmed(console, condition):
    console.time.pass_deafness()
    await console.press("Y")
    await console.until(condition)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_evidence_on_a_version_is_built_after_asking_and_listed_on_audit(open_console, workspace, size):
    async with open_console(size) as console:
        await console.dialog("colon", *"evidence spread 1.2.0", "enter")
        assert "Build evidence on spread 1.2.0" in console.text()
        assert EvidencePacks(workspace).all() == []
        await confirmed(console, lambda: EvidencePacks(workspace).all())
        (pack,) = EvidencePacks(workspace).all()
        assert pack.subject == "spread/1.2.0"
        assert verify_pack(workspace.root / pack.folder, workspace.keys_dir / "audit-signing.pub").ok
        await console.until(lambda: console.app.snapshot.packs, "the pack in the snapshot")
        await console.press("9")
        table = console.screen.main_table()
        await console.until(lambda: table.rows and any(r.verb == "evidence.build" for r in console.app.snapshot.audit))
        record = next(record for record in console.app.snapshot.audit if record.verb == "evidence.build")
        await console.until(lambda: table.move_to(str(record.sequence)))
        await console.press("w")
        shown = console.text()
        assert "evidence.build" in shown


async def test_the_record_of_a_pack_shows_where_it_lies(open_console, workspace):
    pack = EvidencePacks(workspace).of_version("spread", "1.2.0", actor=OPERATOR)
    async with open_console((160, 48)) as console:
        await console.press("9")
        await console.until(lambda: console.app.snapshot.packs)
        await console.settled()
        shown = console.text()
        assert "Evidence packs" in shown
        assert pack.pack_id in shown
        record = "".join(row[1:-1].rpartition("│")[2].strip() for row in shown.splitlines())
        assert f"{pack.folder}/evidence.html" in record  # however long the path before it is


async def test_a_version_that_does_not_exist_is_refused(open_console, workspace):
    async with open_console((80, 24)) as console:
        await console.press("colon", *"evidence spread 9.9.9", "enter")
        await console.until(lambda: "9.9.9" in console.sentence or "9.9.9" in console.text())
        assert EvidencePacks(workspace).all() == []


async def test_a_backup_is_taken_after_asking_as_the_settings_say(open_console, workspace):
    with workspace.settings_file.open("a") as file:
        file.write("\n")
    text = workspace.settings_file.read_text().replace('  to: ""  ', "  to: ../safe")
    workspace.settings_file.write_text(text)
    async with open_console((80, 24)) as console:
        await console.dialog("colon", *"backup", "enter")
        assert "Back up the workspace" in console.text()
        assert "none yet" in console.text()
        await confirmed(console, lambda: BackupHistory(workspace).last())
        assert (workspace.root.parent / "safe" / "bondx-backups.json").is_file()


async def test_a_backup_without_a_folder_says_where_to_name_it(open_console, workspace):
    async with open_console((80, 24)) as console:
        await console.press("colon", *"backup", "enter")
        await console.until(lambda: "No folder of backups is named" in f"{console.text()} {console.sentence}")
        console.time.pass_deafness()
        await console.press("Y")
        assert BackupHistory(workspace).last() is None
