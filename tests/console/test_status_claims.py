"""What `bondx status`, `bondx logs` and `:export!` claim about times and files."""

from argparse import ArgumentTypeError
from dataclasses import replace

import pytest

from console.cli.main import main
from console.commands.status import N_ALERTS, facts_of
from console.commands.typed_numbers import count
from console.table_file import TableFile
from core.alerts import Alerts
from core.errors import RefusedError
from core.view.source import SnapshotSource
from tests.console.conftest import NOW


def test_the_future_has_no_status(workspace, called):
    code, out, err = called(main, "--workspace", workspace.root, "status", "--at", "2099-01-01T00:00")
    assert (code, out) == (2, "")
    assert "--at 2099-01-01T00:00 is in the future" in err


def test_figures_that_nobody_measures_any_more_say_when_they_were_measured(workspace):
    snapshot = SnapshotSource(workspace, clock=lambda: NOW).take()
    measured = replace(snapshot, engine=None, resources={"resource.cpu_percent": ((NOW.timestamp(), 12.0),)})
    assert facts_of(measured)["resources_at"] == NOW


def test_a_reader_may_wait_for_new_lines_alone(workspace, called):
    assert called(main, "--workspace", workspace.root, "logs", "-n", "0")[:2] == (0, "")


@pytest.mark.parametrize("text", ["٢", "1_0", "２", "0", "-1", "9" * 5000])
def test_a_count_is_written_in_ascii_digits(text):
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        count(text)


def test_a_link_is_not_replaced_by_a_list(tmp_path):
    target, link = tmp_path / "kept.csv", tmp_path / "link.csv"
    target.write_text("kept")
    link.symlink_to(target)
    with pytest.raises(RefusedError, match="is a link to"):
        TableFile(link, "a list", 1, 0, replaces=True)._write()
    assert (link.is_symlink(), target.read_text()) == (True, "kept")


def test_the_worst_alerts_are_listed_and_the_others_counted(workspace, called):
    alerts = Alerts(workspace)
    for number in range(30):
        alerts.fire("gate_failed", labels={"session": f"s-{number:04d}"}, summary=f"gate {number}", now=NOW)
    alerts.fire("hash_mismatch", labels={"session": "s-0001"}, summary="epoch_0002: forged", now=NOW)
    n_open = len(alerts.open())

    def lines(*options):
        out = called(main, "--workspace", workspace.root, "status", *options)[1]
        return [line.removeprefix("alert: ") for line in out.splitlines() if line.startswith("alert: ")]

    worst = lines("--plain")
    assert worst[0].startswith("critical firing")
    assert "critical firing epoch_0002: forged" in worst
    assert len(worst) == N_ALERTS + 1
    assert worst[-1].startswith(f"and {n_open - N_ALERTS} more (")
    assert worst[-1].endswith("): --all lists them")
    assert len(lines("--plain", "--all")) == n_open
