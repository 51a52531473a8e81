"""The units of deploy/systemd are sound and hardened by the word of systemd's own tools; one target installs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli.main import build_parser
from tests.terminal.documented import subcommands

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(unit.name for unit in UNITS.glob("*.service"))
MOST_EXPOSED = 16  # tenths, as systemd counts: 100 has no protection at all
PREFIX = "/opt/bondx"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the units into a folder, for the commands of this environment."""
    folder = tmp_path_factory.mktemp("root")
    command = ["make", "-s", "service", f"DESTDIR={folder}", f"PREFIX={sys.prefix}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return folder


@needs_systemd
def test_the_units_are_sound(installed):
    units = sorted(map(str, (installed / "etc/systemd/system").iterdir()))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "bondx" in line]  # of the machine's own units, others care
    assert said == []
    assert done.returncode == 0, done.stderr


@needs_systemd
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_hardened(installed, service):
    unit = installed / "etc/systemd/system" / service
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


def test_every_unit_and_the_account_are_installed(installed):
    names = {unit.name for unit in UNITS.iterdir() if unit.suffix in (".service", ".socket")}
    assert {unit.name for unit in (installed / "etc/systemd/system").iterdir()} == names
    assert (installed / "etc/sysusers.d/bondx.conf").read_text().count("u bondx ") == 1
    assert (installed / "usr/local/bin/bondx-tmux").stat().st_mode & 0o111
    assert PREFIX not in "".join(unit.read_text() for unit in (installed / "etc/systemd/system").iterdir())


@pytest.mark.parametrize("service", SERVICES)
def test_the_commands_of_a_service_exist(service):
    lines = re.findall(rf"^Exec\w+=.*{PREFIX}/bin/bondx(.*)$", (UNITS / service).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        build_parser().parse_args(line.split())
        assert not line.strip() or line.split()[0] in subcommands(build_parser())


def test_the_server_takes_the_socket_that_its_unit_opens():
    unit = (UNITS / "bondx-server.service").read_text()
    assert "Requires=bondx-server.socket" in unit
    assert "--listen" not in unit  # it would be refused beside the socket
    assert re.findall(r"^ListenStream=(.*)$", (UNITS / "bondx-server.socket").read_text(), re.MULTILINE) == [
        "127.0.0.1:8501"
    ]
