"""The stress test that the child process of a session leaves at its end, and its way into the store. Light."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.json_documents import decode_json
from core.plain_files import read_file
from core.stress.report import StressReport
from core.stress.stored_tests import StressTests

if TYPE_CHECKING:
    from core.state import Workspace

STRESS_FILE = "stress.json"  # in the folder of the final models

log = logging.getLogger(__name__)


def keep_final_stress(
    workspace: "Workspace", session_id: str, folder: Path, registered: Sequence[str], actor: Actor, clock: Clock
) -> None:
    """Store the stress test of a session that has ended, under the versions that its models have become.

    A repetition after a crash stores nothing twice.

    Args:
        workspace: The workspace.
        session_id: The session.
        folder: The folder of its final models.
        registered: "spread/1.2.0" for each model.
        actor: The engine.
        clock: The time.
    """
    tests = StressTests(workspace, clock=clock)
    try:
        report = decode_json(read_file(folder / STRESS_FILE), StressReport)
    except FileNotFoundError:
        return  # stress testing is off
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the stress test of %s is not stored: %s", session_id, error)
        return
    if any(test.session_id == session_id for test in tests.all()):
        return
    names = {key.partition("/")[0]: key.replace("/", "@") for key in registered}
    models = tuple(msgspec.structs.replace(each, model=names.get(each.model, each.model)) for each in report.models)
    trained = tuple(msgspec.structs.replace(each, model=names.get(each.model, each.model)) for each in report.trained)
    portfolio = f"validation panel of {session_id}"
    kept = msgspec.structs.replace(report, models=models, trained=trained, portfolio=portfolio)
    tests.keep(kept, actor, session_id=session_id)
