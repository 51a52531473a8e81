"""Every command line of the README and the pages is typed into a shell, and every command there is stands in a page."""

import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import urllib.request
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from core.clock import utc_now
from tests.prices import prices
from tests.terminal import documented
from tests.terminal.conftest import SETTINGS, end_tmux

IN_TMUX = "tmux new -s bondx 'bondx run --headless --stay'"
SERVING = r"serving on https?://\S+:8501|Address already in use"  # another test or person may hold the default port
STAYS = {
    "bondx": r"1 Overview",
    "bondx status --watch": r"production +nothing",
    "bondx serve": SERVING,
    "bondx serve --workers 4": SERVING,
    "bondx serve --grpc-port 8500": SERVING,
    "bondx serve --model-config-file models.config": SERVING,
    "bondx serve --listen 0.0.0.0:8501 --certificate chain.pem --key key.pem": SERVING,
    "bondx serve --certificate chain.pem --key key.pem --client-authority chain.pem": SERVING,
    "bondx cluster start --workers 2": r"tcp://127\.0\.0\.1:\d+ +2 workers; stop with Ctrl\+C",
    "bondx run --api 127.0.0.1:8501": r"1 Overview|Address already in use",
    "bondx run --epochs 1": r"1 Overview",
    "bondx run --domain etrm --experiment hubs": r"1 Overview",
    "bondx run --headless --no-session": r"is running;\s+no\s+session",
    "make run": r"1 Overview",
    IN_TMUX: r"starting s-0002",
}
# What they do takes minutes or gigabytes, or is running just now; here they only say what they would do.
WOULD = {
    "make test": "not (journey or truth or crash)",
    "make proof": "-m pytest -n",
    "make coverage": "coverage combine",
    "make check": "lint-imports",
    "make bench": "benchmarks/bench_",
    "make screens": "-m tools.screenshots",
    "make recording": "-m tools.recording",
    "make golden": "GOLDEN=update",
    "make bare": "tools/bare.sh",
    "make crash": "--long -n 0 --timeout 0 -o faulthandler_timeout=0 -m crash",
    "make truth": "--long -n 0 --timeout 0 -o faulthandler_timeout=0 -m truth",
    "make fuzz N=2000": '-m fuzz --examples "2000"',
    "make powercut N=10": "tests/crash/power_cuts.py --cuts",
    "make busy": "tools/busy_suite.sh",
    "make chaos N=50": "tests.crash.chaos --rounds",
    "make soak MINUTES=10": 'benchmarks/soak.py --minutes "10"',
    "make soak HOURS=1": 'benchmarks/soak.py --hours "1"',
    "make manifests": "tests/packaging/test_kubernetes.py",
    "make interop": "interop/prove.py",
    "make tables": "benchmarks/bench_tables.py",
    "make docs": "NO_MKDOCS_2_WARNING=1",
    "make licences": "-m tools.licences",
    "make audit ADVISORIES=all.zip": '-m tools.audit --advisories "all.zip"',
    "make image": "tools/image.sh",
    "make imagetest": "tests/packaging/test_image.py",
    "make service": "/etc/systemd/system",
    "make service DESTDIR=root": "root/etc/systemd/system",
    "make release VERSION=0.2.0": "-m tools.release",
}
# Over a line that stays on this machine; the session of tmux that opens.
OVER_SSH = {
    "ssh -t desk.example.com bondx-session": "bondx",
    "ssh -t desk.example.com bondx-session night --read-only": "night",
    "ssh desk-console": "bondx",
}
LAUNCHER = documented.ROOT / "examples" / "tmux_and_ssh"
TRANSCRIPTS = sorted(path.stem for path in documented.TRANSCRIPTS.glob("*.txt"))
TYPED = [*STAYS, *WOULD, *OVER_SSH, *(step.line for name in TRANSCRIPTS for step in documented.transcript(name))]

pytestmark = pytest.mark.terminal


@pytest.fixture
def desk(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a fresh folder, with a workspace of our own in $BONDX_HOME and the installed commands on the path."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.setenv("BONDX_HOME", str(shutil.copytree(trained, tmp_path / "home")))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("BONDX_ENV", "MAKEFLAGS", "MAKELEVEL", "ARGS", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def own_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let make find an environment that is ready: this one."""
    for name in ("venv", "interop"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bin").symlink_to(Path(sys.executable).parent)
    for name in ("venv/.base", "venv/.dev", "interop/.ready"):
        (tmp_path / name).touch()
    monkeypatch.setenv("VENV", str(tmp_path / "venv"))
    monkeypatch.setenv("INTEROP", str(tmp_path / "interop"))
    monkeypatch.setenv("WORKSPACE", os.environ["BONDX_HOME"])


@pytest.mark.parametrize(
    "name",
    [
        "reading",
        "access",
        "tokens",
        "replicas",
        "alerting",
        pytest.param("damage", marks=pytest.mark.journey),
        pytest.param("ensembles", marks=pytest.mark.journey),
        pytest.param("tuning", marks=pytest.mark.journey),
        "agents",
    ],
)
def test_a_shell_beside_no_engine(name, desk):
    documented.play(name, desk)


def test_a_home_of_your_own(desk, monkeypatch):
    monkeypatch.setenv("HOME", str(desk))
    documented.play("installed", desk)


@pytest.mark.journey
def test_a_table_of_your_own(desk, monkeypatch):
    monkeypatch.delenv("BONDX_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", str(desk))  # the default workspace is created on first use
    for name, seed, n in (("prices", 1, 400), ("more", 2, 500), ("new", 3, 300)):
        write_prices(desk / f"{name}.csv", n, random.Random(seed))
    (desk / "weights.json").write_text("{}")
    documented.play("own-data", desk)


@pytest.mark.journey
def test_a_cluster_of_your_own(desk):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    write_prices(desk / "prices.csv", 400, random.Random(1))
    (desk / "prices").mkdir()
    for month in (1, 2):
        write_prices(desk / "month.csv", 6_000, random.Random(month))
        pd.read_csv(desk / "month.csv").to_parquet(desk / "prices" / f"2026-0{month}.parquet")
    documented.play("executors", desk)


@pytest.mark.journey
def test_a_model_of_your_own_is_explained(desk):
    Path(os.environ["BONDX_HOME"], "bondx.yaml").write_text(SETTINGS)
    for name, seed, n in (("prices", 1, 400), ("new", 3, 300)):
        write_prices(desk / f"{name}.csv", n, random.Random(seed))
    documented.play("explain", desk)


def test_trades_of_your_own(desk):
    page = (documented.ROOT / "docs" / "compliance.md").read_text()
    (desk / "trades.csv").write_text(re.search(r"^```csv\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1])
    (desk / "deals.csv").write_text(
        "Deal No;Zeit;commodity;hub;instrument;price\n7;05/03/2024 10:00;POWER;DE;future;58,25\n", encoding="utf-8"
    )
    documented.play("trades", desk)


@pytest.mark.journey
def test_a_portfolio_of_your_own(desk):
    page = (documented.ROOT / "docs" / "stress.md").read_text()
    for name, first in (
        ("book.csv", "csv\nbond_id,"),
        ("own.yaml", "yaml\nscenarios:"),
        ("energy.csv", "csv\nbook,hub,"),
    ):
        found = re.search(rf"^```{first}.*?^```", page, re.DOTALL | re.MULTILINE)[0]
        (desk / name).write_text(found.partition("\n")[2].removesuffix("```"))
    documented.play("stress", desk)


def test_views_of_a_desk(desk):
    page = (documented.ROOT / "docs" / "views.md").read_text()
    found = re.search(r"^```yaml\n(views:.*?)^```", page, re.DOTALL | re.MULTILINE)[1]
    (desk / "views.yaml").write_text(found)
    documented.play("views", desk)


@pytest.mark.journey
def test_texts(desk):
    page = (documented.ROOT / "docs" / "text.md").read_text()
    for name, block in (("text.yaml", "yaml"), ("reports.csv", "csv")):
        (desk / name).write_text(re.search(rf"^```{block}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1])
    (desk / "note.txt").write_text("The VaR 99 is 1000.00 EUR; we lost 1300 EUR.\n")
    documented.play("text", desk)


@pytest.mark.journey
def test_a_shell_beside_an_engine_in_tmux(desk, terminal, monkeypatch, tmp_path_factory):
    sockets = tmp_path_factory.mktemp("tmux")
    engine = terminal(f"unset TMUX; export TMUX_TMPDIR={sockets}; {IN_TMUX}", cwd=desk)
    try:
        engine.wait_for(STAYS[IN_TMUX])
        documented.play("by-hand", desk)
    finally:
        monkeypatch.setenv("TMUX_TMPDIR", str(sockets))
        end_tmux()


@pytest.mark.parametrize("line", [line for line in STAYS if "1 Overview" in STAYS[line]])
def test_a_console_opens_and_closes(line, desk, own_make, terminal):
    console = terminal(line, cwd=documented.ROOT if line.startswith("make") else desk)
    if "Address already in use" in console.wait_for(STAYS[line]):
        return
    if "--api" in line:
        with urllib.request.urlopen("http://127.0.0.1:8501/health") as answer:
            assert answer.status == 200
    console.leave_console()
    console.wait_for("exit code 0")


@pytest.mark.parametrize(
    "line", [line for line in STAYS if line.startswith(("bondx serve", "bondx status", "bondx cluster"))]
)
def test_commands_that_run_until_interrupted(line, desk, terminal):
    certify(desk)
    (desk / "models.config").write_text('model_config_list { config { name: "spread" } }')
    if "0.0.0.0" in line:
        documented.play("tokens", desk)  # nothing is open to others without one
    server = terminal(line, cwd=desk, columns=160, rows=48)  # each worker says in a long line where it serves
    if "Address already in use" in server.wait_for(STAYS[line]):
        return
    if "--certificate" in line:
        trusted = ssl.create_default_context(cafile=desk / "chain.pem")
        if "--client-authority" in line:
            trusted.load_cert_chain(desk / "chain.pem", desk / "key.pem")
        with urllib.request.urlopen("https://127.0.0.1:8501/health", context=trusted) as answer:
            assert answer.status == 200
    server.press("C-c")
    server.wait_for(f"exit code {130 if '--watch' in line else 0}")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ssh start its command here: with a terminal if one was asked for, and outside of the tmux here."""
    config = (LAUNCHER / "ssh_config").read_text()
    command = re.search(r"Host desk-console\n.*\n +RequestTTY yes\n +RemoteCommand (\S+)\n", config)
    assert command is not None
    assert Path(command[1]).name == "bondx-session"
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "ssh").write_text(
        "#!/bin/sh\nunset TMUX\n"
        'case "$1 $2" in\n'
        '"-t desk.example.com") shift 2; exec sh -c "$*" ;;\n'
        '"desk-console ") exec bondx-session ;;\n'
        '*) exec sh -c "$*" < /dev/null ;;\n'
        "esac\n"
    )
    (tmp_path / "line" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'line'}:{LAUNCHER}:{os.environ['PATH']}")


@pytest.mark.parametrize("line", OVER_SSH)
def test_a_console_over_ssh_opens_in_its_session(line, desk, ssh, terminal, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path_factory.mktemp("tmux")))
    try:
        console = terminal(line, cwd=desk)
        console.wait_for("1 Overview")
        panes = ["tmux", "-L", "bondx", "list-panes", "-a", "-F", "#{session_name}"]
        assert subprocess.run(panes, capture_output=True, text=True, check=True).stdout == f"{OVER_SSH[line]}\n"
        console.press("C-b", "d")
        console.wait_for("exit code 0")
    finally:
        end_tmux("-L", "bondx")


@pytest.mark.journey
def test_the_examples_as_the_page_calls_them(desk):
    (desk / "examples").symlink_to(documented.ROOT / "examples")
    for name, drawn in (
        ("prices", prices(1, 150)),
        ("yesterday", prices(2, 150)),
        ("moved", prices(3, 150, shift=3.0)),
    ):
        drawn.drop(columns="sold").to_csv(desk / f"{name}.csv", index=False)
    documented.play("examples", desk)


@pytest.mark.parametrize("line", WOULD)
def test_commands_that_take_minutes_show_their_plan(line, desk, own_make):
    done = subprocess.run([*line.split(), "-n"], cwd=documented.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert WOULD[line] in done.stdout


@pytest.mark.parametrize("page", documented.PAGES, ids=lambda page: page.name)
def test_every_line_of_a_shell_block_is_typed_here(page):
    typed = {line.split(" || ")[0] for line in TYPED}
    assert [line for line in documented.block_lines(page) if line not in typed] == []


@pytest.mark.parametrize("page", documented.PAGES, ids=lambda page: page.name)
def test_every_command_and_option_a_page_names_is_typed_here(page):
    tried = [form for line in TYPED for form in documented.commands_in(line)]
    for form in documented.forms(page):
        options = [each.options for each in tried if each.command == form.command]
        assert options, f"{page.name}: {' '.join(form.command)} is not tried"
        assert form.options <= frozenset().union(*options), f"{page.name}: {' '.join(form.command)} {form.options}"


def test_every_command_is_on_a_page():
    named = {form.command for page in documented.PAGES for form in documented.forms(page)}
    named |= {
        form.command
        for page in documented.PAGES
        for line in documented.block_lines(page)
        for form in documented.commands_in(line)
    }
    assert sorted(set(documented.every_command()) - named) == []


def test_every_link_leads_to_a_file_and_every_page_is_linked_from_the_readme():
    linked = set()
    for page in documented.PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
            linked |= {(page.parent / target).resolve()} if page.name == "README.md" else set()
    assert set(documented.PAGES[1:]) <= linked


def write_prices(file: Path, n_rows: int, rng: random.Random) -> None:
    """Write a table whose prices follow from size and grade."""
    lines = ["size,grade,desk,price"]
    for _ in range(n_rows):
        size, grade = rng.gauss(0, 1), rng.choice("AB")
        price = 3 * size + (grade == "A") + rng.gauss(0, 0.5)
        lines.append(f"{size:.4f},{grade},{rng.randrange(40)},{price:.4f}")
    file.write_text("\n".join(lines) + "\n")


def certify(folder: Path) -> None:
    """Write a certificate of this machine, signed by itself, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "desk")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "chain.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
