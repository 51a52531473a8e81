"""`bondx cluster` and `:cluster`: the workers of a real cluster, and what is said where there is none."""

import json

import pytest

from console.cli.main import main
from console.dialogs.text import TextDialog
from console.presentation.cluster import cluster_lines, worker_row
from core.errors import ExitCode
from core.executors.standing import ClusterStanding, WorkerStanding

BUSY = WorkerStanding(
    name="w1",
    address="tcp://127.0.0.1:40001",
    n_threads=1,
    memory_bytes=300 << 20,
    memory_limit_bytes=None,
    cpu_share=0.97,
    n_running=1,
    n_waiting=3,
    n_results=2,
)


@pytest.fixture
def run(called, workspace):
    return lambda *words: called(main, "--workspace", workspace.root, "cluster", *words)


@pytest.fixture
def cluster():
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    from core.executors.local_cluster import local_cluster

    with local_cluster(1) as found:
        yield found


def test_the_workers_of_a_cluster_are_listed(run, cluster, workspace):
    workspace.settings_file.write_text(f"executor: {{kind: dask, address: '{cluster.address}'}}\n")

    code, out, err = run("show")
    _, named, _ = run("show", cluster.address, "--json")

    assert (code, err) == (ExitCode.GOOD, "")
    assert out.startswith(f"scheduler  {cluster.address}\nworkers    1, 1 task at a time\n")
    assert "RUNNING" in out
    (worker,) = json.loads(named)["workers"]
    assert worker["memory_bytes"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show",), ExitCode.USAGE, "executor.kind is thread: name the address of a scheduler"),
        (("show", "tcp://10.0.0.1:8786"), ExitCode.USAGE, "is another machine"),
        (("show", "nonsense"), ExitCode.USAGE, "must be tcp://HOST:PORT or tls://HOST:PORT"),
        (("start", "--workers", "257"), ExitCode.USAGE, "--workers 257: at most 256 on one machine."),
        (("start", "--port", "70000"), ExitCode.USAGE, "--port 70000: use a port from 1 to 65535."),
    ],
)
def test_what_cannot_be_asked_is_refused(run, words, code, said):
    found, out, err = run(*words)

    assert (found, out) == (code, "")
    assert said in err


def test_totals_come_before_a_line_for_each_worker():
    other = WorkerStanding(**{name: getattr(BUSY, name) for name in BUSY.__struct_fields__} | {"name": "w2"})
    texts = [line.text for line in cluster_lines(ClusterStanding(address="tcp://h:1", workers=(BUSY, other)))]

    assert texts[:4] == [
        "scheduler  tcp://h:1",
        "workers    2, 2 tasks at a time",
        "memory     600 MiB",
        "tasks      2 running, 6 waiting",
    ]
    assert [text.split()[0] for text in texts[5:]] == ["worker", "w1", "w2"]
    assert worker_row(BUSY)["limit"] == "none"
    assert "nothing can be computed" in cluster_lines(ClusterStanding(address="tcp://h:1", workers=()))[-1].text


async def test_the_console_shows_the_cluster_of_the_settings(open_console, workspace, cluster):
    workspace.settings_file.write_text(f"executor: {{kind: dask, address: '{cluster.address}'}}\n")
    async with open_console((120, 40)) as console:
        await console.press("colon", *"cluster", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "running" in console.text())
        assert cluster.address in console.text()


async def test_the_console_says_that_no_cluster_is_set(open_console):
    async with open_console((80, 24)) as console:
        await console.press("colon", *"cluster", "enter")
        await console.until(lambda: "executor.kind is thread" in console.text())
