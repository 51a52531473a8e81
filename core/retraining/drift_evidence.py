"""How far collected rows are from what the live version learned from, as evidence of a step."""

from pathlib import Path
from typing import Any

from core.errors import RefusedError, UsageError
from core.explain.deny_list import DenyList
from core.models.outcomes import Outcomes
from core.monitoring.profile_check import check_profile
from core.monitoring.verdicts import DriftVerdict
from core.registry import ModelVersion, Registry
from core.registry.contents import REPORT_NAME, importance_shares, read_object
from core.settings import PolicySource
from core.state import Workspace
from core.training.version_profile import profile_of_version

MOST_NAMED = 10


def drift_of(workspace: Workspace, live: ModelVersion, artifact: Path, outcomes: Outcomes) -> dict[str, Any]:
    """Compare rows with the profile of the live version.

    Args:
        workspace: The workspace, for the rules.
        live: The live version.
        artifact: The folder of its files.
        outcomes: The rows, its answers to them, and what is known of the truth.
    Returns:
        `verdict` and the columns that `moved`; without a profile the verdict is unknown, and a `note` says why.
    """
    try:
        profile = profile_of_version(Registry(workspace), live.model, live.version)
        rules = PolicySource(workspace.root).policy().for_model(live.model).drift
        importance = importance_shares(read_object(artifact / REPORT_NAME))
        denied = DenyList.in_force(workspace.root)
        found = check_profile(profile, outcomes.rows, rules, outcomes=outcomes, importance=importance, denied=denied)
    except (RefusedError, UsageError) as error:
        return {"verdict": "unknown", "note": str(error)}
    moved = [f"{alert.column}: {alert.message}" for alert in found.alerts if alert.verdict is DriftVerdict.ALARM]
    return {"verdict": str(found.verdict), "moved": moved[:MOST_NAMED]}
