"""How many labelled rows a source has, without collecting them."""

from datetime import datetime

import numpy as np

from core.registry import ModelVersion, Registry
from core.retraining.files import is_newer, n_rows_of, source_files
from core.retraining.served_rows import served_rows, window_start
from core.settings.retraining import RetrainingPolicy
from core.state import Workspace


def count_rows(
    workspace: Workspace, live: ModelVersion, policy: RetrainingPolicy, *, as_of: datetime, since: datetime
) -> tuple[int | None, int | None]:
    """Count the labelled rows in the window, and of them those since an instant.

    Args:
        workspace: The workspace.
        live: The live version.
        policy: The source and the window.
        as_of: Up to when rows count.
        since: Since when rows are new.
    Returns:
        Both counts; None where they are only known once the rows are there.
    Raises:
        CoreError: The rows cannot be read.
    """
    window = policy.window
    match policy.source.kind:
        case "served":
            moved = Registry(workspace).went_live(live.model)
            start = window_start(window, live_since=moved.at if moved else None, as_of=as_of)
            found = served_rows(workspace, live, start=start, as_of=as_of)
            is_new = np.array([at > since for at in found.logged.at], dtype=np.bool_)
            return min(int(found.labelled.sum()), window.rows), int((found.labelled & is_new).sum())
        case "files":
            counts = [
                (n_rows_of(file), is_newer(file, since))
                for file in source_files(policy.source.path, root=workspace.root)
            ]
            n_rows = sum(n for n, _ in counts)
            return min(n_rows, window.rows), sum(n for n, new in counts if new)
    return None, None
