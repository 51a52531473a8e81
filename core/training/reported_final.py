"""The end of a session as its report has it: without the columns that must not appear."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from core.explain.deny_list import DenyList, naming
from core.training.records import FinalRecord


def reported_final(final: FinalRecord, denied: DenyList) -> FinalRecord:
    """Leave out the scores by which denied columns were chosen, and each row of a table that names such a column."""
    known = {record.name for selection in final.selections for record in selection.columns}
    known.update(name for selection in final.selections for name in selection.features)
    known.update(name for model in final.models for name in _names(model.report))
    if (pattern := naming(name for name in known if denied.denies(name))) is None:
        return final
    return replace(
        final,
        models=tuple(replace(model, report=_without(model.report, denied)) for model in final.models),
        sections=tuple(
            replace(section, rows=tuple(row for row in section.rows if not any(map(pattern.search, row))))
            for section in final.sections
        ),
        selections=tuple(
            replace(
                selection,
                columns=tuple(record for record in selection.columns if not pattern.search(record.name)),
                features=tuple(name for name in selection.features if not denied.denies(name)),
            )
            for selection in final.selections
        ),
    )


def _without(document: Any, denied: DenyList) -> Any:
    """Leave out the entries of objects, and the names in lists, that are denied columns."""
    if isinstance(document, Mapping):
        return {name: _without(value, denied) for name, value in document.items() if not denied.denies(name)}
    if isinstance(document, list | tuple):
        return [_without(value, denied) for value in document if not (isinstance(value, str) and denied.denies(value))]
    return document


def _names(document: Any) -> Iterator[str]:
    """Yield the names of the entries of objects, and the texts in lists."""
    if isinstance(document, Mapping):
        for name, value in document.items():
            yield name
            yield from _names(value)
    elif isinstance(document, list | tuple):
        for value in document:
            if isinstance(value, str):
                yield value
            else:
                yield from _names(value)
