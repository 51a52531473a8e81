"""Packs without the columns that must not appear (`explanation.denied_columns`).

A row of a table, a bar or a fact that names such a column is left out, and what a source holds of it is cited by its
hash alone. Lines of the audit log stay: they are the proof.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from core.evidence.pack import EvidenceSection, EvidenceSource, SectionStatus
from core.explain.deny_list import DenyList, naming
from core.json_documents import decode_json
from core.registry.contents import sliced_by


def without_denied_columns(
    sections: Sequence[EvidenceSection], sources: Sequence[EvidenceSource], denied: DenyList
) -> tuple[tuple[EvidenceSection, ...], tuple[EvidenceSource, ...]]:
    """Leave out what names a denied column.

    Args:
        sections: Of a pack.
        sources: Of the same pack; records of the audit log have no content yet.
        denied: The columns.
    """
    if not denied.patterns:
        return tuple(sections), tuple(sources)
    contents = [decode_json(each.content.encode()) for each in sources if each.content is not None]
    named = set(denied.among(word for found in contents for word in words_in(found)))
    for found in contents:
        made_of = sliced_by(found) if isinstance(found, dict) else {}
        named.update(name for name, column in made_of.items() if denied.denies(column))
    if (pattern := naming(named)) is None:
        return tuple(sections), tuple(sources)
    kept = tuple(
        replace(source, content=None) if source.content is not None and pattern.search(source.content) else source
        for source in sources
    )
    return tuple(_silent(section, pattern) for section in sections), kept


def _silent(section: EvidenceSection, pattern: "re.Pattern[str]") -> EvidenceSection:
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
        missing=(*section.missing, "Entries that name a column of explanation.denied_columns are left out."),
    )


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
