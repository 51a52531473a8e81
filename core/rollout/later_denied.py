"""A rollout that was planned before a slice column of it was denied, with the levels of this column numbered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.explain.deny_list import DenyList
from core.json_documents import decode_json
from core.rollout.rollout import Rollout
from core.rollout.slices import Slice, SliceLevel, numbered
from core.state.brief import whole

if TYPE_CHECKING:
    from core.state import Workspace


def as_shown(workspace: "Workspace", rollout: Rollout) -> Rollout:
    """Return a rollout as the settings of a workspace let it be shown; see `with_numbered_levels`."""
    return all_as_shown(workspace, [rollout])[0]


def all_as_shown(workspace: "Workspace", rollouts: Sequence[Rollout]) -> list[Rollout]:
    """Return rollouts as `as_shown` does; the settings are read once, and only if one has slices."""
    if not any(each.plan.slices for each in rollouts):
        return list(rollouts)
    denied = DenyList.in_force(workspace.root)
    return [with_numbered_levels(each, denied) for each in rollouts]


def with_numbered_levels(rollout: Rollout, denied: DenyList) -> Rollout:
    """Return a rollout as it is shown: with no level, value or cut of a slice column that must not appear.

    Requests are divided by the stored plan, which keeps them.
    """
    hidden = [each for each in rollout.plan.slices if denied.hides_values(each.column)]
    if not hidden:
        return rollout
    full = whole(rollout)
    shown = decode_json(msgspec.json.encode(_without(decode_json(msgspec.json.encode(full)), hidden)), Rollout)
    slices = [_shown(each) if each in hidden else each for each in rollout.plan.slices]
    return msgspec.structs.replace(shown, plan=msgspec.structs.replace(shown.plan, slices=tuple(slices)))


def _shown(found: Slice) -> Slice:
    return msgspec.structs.replace(numbered(found), levels=(), cuts=())


def _without(document: Any, hidden: list[Slice]) -> Any:
    """Number the levels in the texts of a document, and in the levels that its readings are about."""
    if isinstance(document, dict):
        level = _level(document, hidden)
        return {name: _without(value, hidden) for name, value in document.items()} | level
    if isinstance(document, list):
        return [_without(value, hidden) for value in document]
    if isinstance(document, str):
        for each in hidden:
            document = document.replace(str(each), str(_shown(each)))
            for name, number in _longest_first(each):
                was, now = (SliceLevel(column=each.column, level=level) for level in (name, number))
                document = document.replace(str(was), str(now))
    return document


def _level(document: dict[str, Any], hidden: list[Slice]) -> dict[str, str]:
    found = [each for each in hidden if document.keys() == {"column", "level"} and document["column"] == each.column]
    return {"level": dict(_longest_first(found[0])).get(document["level"], document["level"])} if found else {}


def _longest_first(found: Slice) -> list[tuple[str, str]]:
    pairs = zip(found.names, numbered(found).names, strict=True)
    return sorted(pairs, key=lambda pair: -len(pair[0]))
