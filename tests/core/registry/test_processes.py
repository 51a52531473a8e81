"""Real processes: two operators at once, and a trainer that dies in the middle of a registration."""

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.registry import Registry
from core.registry.artifacts import STAGING_NAME
from core.state import Workspace
from tests.processes import dies

N_ROUNDS = 5

OPERATOR = """
import sys, json
from pathlib import Path
import pytest

from core.actor import Actor, Origin
from core.errors import CoreError
from core.registry import Registry
from core.state import Workspace

name, root = sys.argv[1:]
registry = Registry(Workspace.open(Path(root)))
for line in sys.stdin:
    plan = registry.plan_promotion("spread", line.strip())
    print("planned", flush=True)
    sys.stdin.readline()
    try:
        registry.apply(plan, actor=Actor(name, "desk", Origin.CONSOLE), reason="I was first")
        print(json.dumps({"won": True}), flush=True)
    except CoreError as error:
        print(json.dumps({"won": False, "exit_code": int(error.exit_code), "sentence": str(error)}), flush=True)
"""


def test_when_two_operators_promote_at_once_one_wins_and_the_other_is_told_what_happened(
    register, registry: Registry, workspace: Workspace
) -> None:
    operators = {
        name: subprocess.Popen(
            [sys.executable, "-c", OPERATOR, name, str(workspace.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("ana", "ben")
    }
    try:
        for _ in range(N_ROUNDS):
            versions = {name: register().version for name in operators}
            for name, operator in operators.items():
                tell(operator, versions[name])
            assert [operator.stdout.readline() for operator in operators.values()] == ["planned\n"] * 2
            for operator in operators.values():
                tell(operator, "go")
            answers = {name: json.loads(operator.stdout.readline()) for name, operator in operators.items()}

            (winner,) = (name for name, answer in answers.items() if answer["won"])
            (loser,) = operators.keys() - {winner}
            assert answers[loser]["exit_code"] == 4
            for fact in (f"{winner}@desk", f"{versions[winner]} Development → Staging", "This change was not made"):
                assert fact in answers[loser]["sentence"]
            assert registry.get("spread", versions[winner]).stage == "Staging"
            assert registry.get("spread", versions[loser]).stage == "Development"
    finally:
        for operator in operators.values():
            operator.communicate()


def tell(operator: subprocess.Popen, line: str) -> None:
    operator.stdin.write(line + "\n")
    operator.stdin.flush()


@pytest.mark.crash
def test_kill_9_in_the_middle_of_registering_never_leaves_half_a_version(
    workspace: Workspace, source: Path, tmp_path: Path, ana: Actor
) -> None:
    (source / "model.txt").write_text("tree\n" * 50_000)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()

    def register_one() -> None:
        trainer, good = Actor("trainer", "desk", Origin.ENGINE), {"attainment": 0.9}
        registry = Registry(workspace)
        version = registry.register("spread", source, metrics=good, lineage={}, gates=(), actor=trainer)
        with acknowledged.open("a") as record:
            print(version.version, file=record, flush=True)

    for point in count(1):
        was_killed = dies(point, register_one)

        registry = Registry(workspace)
        registry.sweep(ana)
        assert not list((workspace.artifacts_dir / STAGING_NAME).glob("*"))
        recorded = {version.version for version in registry.versions(None)}
        assert recorded >= set(acknowledged.read_text().split())
        folder = workspace.artifacts_dir / "spread"
        assert recorded == ({found.name for found in folder.iterdir()} if folder.exists() else set())
        assert all(result.ok for result in registry.verify())
        if not was_killed:
            break
    assert registry.versions("spread")
