"""Packs without the columns that must not appear (`explanation.denied_columns`).

A row of a table, a bar or a fact that names such a column is left out, and what a source holds of it is cited by its
hash alone. Lines of the audit log stay: they are the proof.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from core.evidence.pack import EvidenceSection, EvidenceSource, SectionStatus
from core.explain.deny_list import DenyList, naming
from core.explain.later_denied import gates_as_shown
from core.json_documents import converted, decode_json
from core.quality.gate import GateResult
from core.registry.contents import sliced_by
from core.registry.documents import ModelVersion
from core.tables.signature import ColumnSignature, TableSignature

# Fields of records that stand in nearly every pack.
_ORDINARY = frozenset(
    name for kind in (ModelVersion, GateResult, TableSignature, ColumnSignature) for name in kind.__struct_fields__
)
# Where documents name columns: signatures, profiles, reports, explanations, monitoring, sessions and requests.
_LISTED = frozenset({"inputs", "outputs", "columns", "features", "ignored", "keep", "drop", "named_by"})
_MAPPED = frozenset({"feature_importance", "importances", "importance", "ranges"})
_NAMING = frozenset({"feature", "column", "target", "group", "time"})


def without_denied_columns(
    sections: Sequence[EvidenceSection],
    sources: Sequence[EvidenceSource],
    denied: DenyList,
    cells: DenyList | None = None,
    *,
    withheld: Collection[str] = (),
) -> tuple[tuple[EvidenceSection, ...], tuple[EvidenceSource, ...]]:
    """Leave out what names a denied column.

    Args:
        sections: Of a pack.
        sources: Of the same pack; records of the audit log have no content yet.
        denied: The columns.
        cells: The columns of which no source may be quoted, since it may hold their values; by default the same.
        withheld: Further sources that may hold such values, by id.
    """
    cells = denied if cells is None else cells
    if not (denied.patterns or cells.patterns):
        return tuple(sections), tuple(sources)
    contents = {each.id: decode_json(each.content.encode()) for each in sources if each.content is not None}
    pattern, quoted = (naming(denied_names(contents.values(), each)) for each in (denied, cells))

    def is_hidden(source: EvidenceSource) -> bool:
        named = quoted is not None and quoted.search(source.content or "") is not None
        return (
            named
            or source.id in withheld
            or any(_tells_denied(gate, cells) for gate in _gates_in(contents.get(source.id)))
        )

    kept = tuple(replace(source, content=None) if is_hidden(source) else source for source in sources)
    found = tuple(sections)
    if pattern is not None:
        found = tuple(_silent(each, pattern, "name a column of explanation.denied_columns") for each in found)
    masked = denied_names(contents.values(), cells) - denied_names(contents.values(), denied)
    if (values := _telling_values(masked)) is not None:
        found = tuple(_silent(each, values, "tell a value of a masked column") for each in found)
    return found, kept


def _telling_values(columns: Iterable[str]) -> "re.Pattern[str] | None":
    """Return the pattern of texts with a slice of one of the columns, such as `town=Ana` or `town in {Ana}`."""
    names = naming(columns)
    return None if names is None else re.compile(rf"{names.pattern} ?(?:=|in {{)")


def _gates_in(document: Any) -> Iterator[GateResult]:
    """Yield the results of gates in a document, wherever they stand."""
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if found.keys() >= {"verdict", "comparison", "threshold", "offending"}:
                yield converted(found, GateResult)
            else:
                waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _tells_denied(gate: GateResult, denied: DenyList) -> bool:
    return gates_as_shown([gate], denied) != (gate,)


def _silent(section: EvidenceSection, pattern: "re.Pattern[str]", which: str) -> EvidenceSection:
    facts = tuple(each for each in section.facts if not pattern.search(f"{each.name} {each.value.text}"))
    tables = [
        replace(table, rows=tuple(row for row in table.rows if not any(pattern.search(cell.text) for cell in row)))
        for table in section.tables
        if not any(map(pattern.search, (table.title, *table.columns)))
    ]
    charts = []
    for chart in section.charts:
        bars = [
            (name, value) for name, value in zip(chart.names, chart.values, strict=True) if not pattern.search(name)
        ]
        if bars and not pattern.search(chart.title):
            charts.append(
                replace(chart, names=tuple(name for name, _ in bars), values=tuple(value for _, value in bars))
            )
    found = replace(
        section,
        facts=facts,
        tables=tuple(table for table in tables if table.rows),
        charts=tuple(charts),
        paragraphs=tuple(text for text in section.paragraphs if not pattern.search(text)),
    )
    if found == section:
        return section
    has_content = bool(found.facts or found.tables or found.charts)
    return replace(
        found,
        status=SectionStatus.PARTIAL if has_content else SectionStatus.MISSING,
        missing=(*section.missing, f"Entries that {which} are left out."),
    )


def denied_names(documents: Iterable[Any], denied: DenyList) -> set[str]:
    """Return the names in documents that must not appear: denied columns, and what is made of them.

    A broad pattern, such as `*`, denies ordinary keys of the documents as well as columns. So it denies only names that
    stand where documents name columns.
    """
    found, narrow = set[str](), narrowed(denied)
    for document in documents:
        found |= narrow.among(part for word in words_in(document) for part in (word, *re.split("[.=]", word)))
        found |= denied.among(columns_in(document))
        made_of = sliced_by(document) if isinstance(document, dict) else {}
        found.update(name for name, column in made_of.items() if denied.denies(column))
    return found


def narrowed(denied: DenyList) -> DenyList:
    """Return the list without the patterns that deny an ordinary key of a record.

    >>> narrowed(DenyList(["*", "ve*", "tax_*"])).patterns
    ('tax_*',)
    """
    return DenyList([each for each in denied.patterns if not any(map(DenyList([each]).denies, _ORDINARY))])


def columns_in(document: Any) -> Iterator[str]:
    """Yield the columns that a document names.

    >>> sorted(columns_in({"inputs": [{"name": "size"}], "feature_importance": {"age": 1}, "way": "x"}))
    ['age', 'size']
    """
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            for key, value in found.items():
                if key in _LISTED and isinstance(value, list):
                    entries = (_named(each) if isinstance(each, dict) else each for each in value)
                    yield from (each for each in entries if isinstance(each, str))
                elif key in _MAPPED and isinstance(value, dict):
                    yield from value
                elif key in _NAMING and isinstance(value, str) and not (key == "group" and "verdict" in found):
                    yield value  # what moved at one time is a group as well, and no column
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _named(entry: Mapping[str, Any]) -> Any:
    return entry.get("name", entry.get("feature"))


def words_in(document: Any) -> Iterator[str]:
    """Yield every text and every name in a document.

    >>> sorted(words_in({"columns": ["size", {"rating": 7}]}))
    ['columns', 'rating', 'size']
    """
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield from found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str):
            yield found


def without_hidden(document: Any, is_hidden: Callable[[Any], bool]) -> Any:
    """Return a document without the names and the texts that are hidden.

    >>> without_hidden({"size": [1, "tax_id"], "tax_id": 2}, "tax_id".__eq__)
    {'size': [1]}
    """
    if isinstance(document, Mapping):
        return {
            name: without_hidden(value, is_hidden)
            for name, value in document.items()
            if not (is_hidden(name) or (isinstance(value, str) and is_hidden(value)))
        }
    if isinstance(document, list):
        return [without_hidden(each, is_hidden) for each in document if not (isinstance(each, str) and is_hidden(each))]
    return document
