"""Requests that the live version accepts and a candidate refuses: said before the candidate gets traffic."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.explain.deny_list import NONE_DENIED, DenyList
from core.registry import ModelVersion
from core.state import Workspace
from core.tables.errors import TableError
from core.tables.signature import TableSignature

if TYPE_CHECKING:
    from core.models.scoring.fields import Field

_MOST_SHOWN = 5  # levels of a category


def refused_newly(
    live: Sequence["Field"], candidate: Sequence["Field"], denied: DenyList = NONE_DENIED
) -> tuple[str, ...]:
    """Describe the requests that one version accepts and another refuses, by their fields alone.

    Args:
        live: The fields of the version that accepts them.
        candidate: The fields of the version that refuses them.
        denied: The columns of which no level and no end of a range is told.

    Returns:
        A phrase for each kind of request, such as `without age` or `rating below 1`; empty if there is none.
    """
    before = {field.name: field for field in live}
    found: list[str] = []
    for field in candidate:
        known = before.get(field.name)
        if field.required and (known is None or not known.required):
            found.append(f"without {field.name}")
        if known is not None:
            found += _refused_values(known, field, tells=not denied.hides_values(field.name))
    return tuple(found)


def newly_refused(workspace: Workspace, live: ModelVersion, candidate: ModelVersion) -> tuple[str, ...]:
    """Compare the stored signatures of two versions; nothing is loaded.

    Returns:
        As `refused_newly`; empty as well if a version has no stored signature.
    """
    from core.models.scoring.fields import fields_of

    try:
        stored = [TableSignature.read(workspace.artifacts_dir / version.path) for version in (live, candidate)]
    except TableError:  # a trial of the version names the problem
        return ()
    fields = [fields_of(signature) for signature in stored if signature is not None]
    if len(fields) != 2:
        return ()
    return refused_newly(fields[0], fields[1], DenyList.in_force_or_all(workspace.root))


def stricter_line(live: str, candidate: str, refused: Sequence[str]) -> str:
    """Spell the newly refused requests in one line; empty if there are none."""
    return f"Requests that {live} accepts and {candidate} refuses: {'; '.join(refused)}." if refused else ""


def _refused_values(live: "Field", candidate: "Field", *, tells: bool) -> Iterator[str]:
    from core.models.scoring.fields import NUMERIC

    name = candidate.name
    if live.nullable and not candidate.nullable:
        yield f"{name} empty"
    if (live.kind in NUMERIC) != (candidate.kind in NUMERIC):
        yield f"{name} as a {'number' if live.kind in NUMERIC else 'text'}"
    elif candidate.kind in NUMERIC:
        yield from _refused_numbers(live, candidate, tells=tells)
    elif candidate.kind == "date" != live.kind:
        yield f"{name} other than dates"
    elif candidate.kind == "category" and candidate.strict and candidate.categories:
        yield from _refused_levels(live, candidate, tells=tells)


def _refused_numbers(live: "Field", candidate: "Field", *, tells: bool) -> Iterator[str]:
    name = candidate.name
    if candidate.kind == "bool":
        if live.kind != "bool":
            yield f"{name} other than true, false, 0 and 1"
        return
    if not candidate.strict:
        return
    least, most = _limits(live)
    if candidate.least is not None and candidate.least > least:
        yield f"{name} below {candidate.least:g}" if tells else f"{name} below its range"
    if candidate.most is not None and candidate.most < most:
        yield f"{name} above {candidate.most:g}" if tells else f"{name} above its range"
    if candidate.kind == "int" and not (live.kind == "bool" or (live.kind == "int" and live.strict)):
        yield f"{name} with decimals"


def _limits(field: "Field") -> tuple[float, float]:
    if field.kind == "bool":
        return 0.0, 1.0
    if not field.strict:
        return -math.inf, math.inf
    return (-math.inf if field.least is None else field.least, math.inf if field.most is None else field.most)


def _refused_levels(live: "Field", candidate: "Field", *, tells: bool) -> Iterator[str]:
    is_closed = live.kind == "category" and live.strict and bool(live.categories)
    if not is_closed:
        yield f"{candidate.name} other than {_listed(candidate.categories) if tells else 'its levels'}"
    elif gone := [level for level in live.categories if level not in candidate.categories]:
        yield f"{candidate.name} {_listed(gone) if tells else 'with levels that are gone'}"


def _listed(levels: Sequence[str]) -> str:
    more = f" and {len(levels) - _MOST_SHOWN} more" if len(levels) > _MOST_SHOWN else ""
    return ", ".join(levels[:_MOST_SHOWN]) + more
