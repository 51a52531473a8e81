"""The end of a session as its report has it: without the columns that must not appear."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from core.explain.deny_list import DenyList, naming
from core.training.records import FinalRecord


def reported_final(final: FinalRecord, denied: DenyList) -> FinalRecord:
    """Leave out the scores by which denied columns were chosen, and each entry and row that names such a column."""
    if (pattern := naming(denied.among(final.columns))) is None:
        return final
    return replace(
        final,
        models=tuple(replace(model, report=_without(model.report, pattern)) for model in final.models),
        sections=tuple(
            replace(section, rows=tuple(row for row in section.rows if not any(map(pattern.search, row))))
            for section in final.sections
        ),
        selections=tuple(
            replace(
                selection,
                columns=tuple(record for record in selection.columns if not pattern.search(record.name)),
                features=tuple(name for name in selection.features if not pattern.search(name)),
            )
            for selection in final.selections
        ),
        columns=tuple(name for name in final.columns if not pattern.search(name)),
    )


def _without(document: Any, pattern: "re.Pattern[str]") -> Any:
    """Leave out the entries of objects, and the texts in lists, that name a denied column."""
    if isinstance(document, Mapping):
        return {
            name: _without(value, pattern)
            for name, value in document.items()
            if not pattern.search(name) and not _names(value, pattern)
        }
    if isinstance(document, list | tuple):
        return [_without(value, pattern) for value in document if not _names(value, pattern)]
    return document


def _names(value: Any, pattern: "re.Pattern[str]") -> bool:
    return isinstance(value, str) and pattern.search(value) is not None
