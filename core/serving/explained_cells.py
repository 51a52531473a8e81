"""Cells that come with a question about a version's answers: refused exactly as a prediction by it refuses them.

Read as those of a file, a text among numbers would be an empty cell, and the answer to another row would be explained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from core.explain.deny_list import DenyList
from core.registry import Registry
from core.serving.dialects.json_rows import JsonRows
from core.serving.scoring.warming import warm_scorer
from core.state import Workspace
from core.training.own_data.explanation import ExplainRequest
from core.training.own_data.version_choice import chosen_version


def taken_as_served(
    workspace: Workspace, request: ExplainRequest, rows: Sequence[Mapping[str, Any]] | None = None
) -> ExplainRequest:
    """Return a request with the number of its version, once that version would answer the cells that it brings.

    Args:
        workspace: Where the version is registered.
        request: What to explain.
        rows: Rows that explain a whole version; by default the request brings at most one row.
    Raises:
        NotFoundError: There is no such model or version.
        AnswersNoRowsError: It is a model of language.
        BadRequestError: A prediction refuses the cells, with the same sentence.
        HashMismatchError: The version's files differ from the registered files.
    """
    asked: dict[str, object]
    if isinstance(request.row, Mapping):
        asked = {"row": request.row}
    elif rows is not None:
        asked = {"rows": rows}
    else:
        return request
    registry = Registry(workspace)
    chosen = chosen_version(registry, request.model, request.version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        scorer = warm_scorer(folder)
    scorer.signature.denied = partial(DenyList.in_force, workspace.root)
    scorer.check(JsonRows().reader(scorer.signature)(msgspec.json.encode(asked)).rows)
    return replace(request, version=chosen.version)
