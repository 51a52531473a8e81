"""A snapshot narrowed to what a saved view is about, so that its filter holds across all of its panes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.saved_views.saved_view import SavedView
from core.settings.patterns import is_named
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.alerts import Alert
    from core.training.session import Session


@dataclass(frozen=True, slots=True)
class NarrowedSnapshot:
    """What a view shows.

    Attributes:
        snapshot: The snapshot with what the view is about alone.
        models: The models in it, by name.
        missing: What the view names and the workspace does not have, a clause each.
    """

    snapshot: Snapshot
    models: tuple[str, ...]
    missing: tuple[str, ...]


def narrowed(snapshot: Snapshot, view: SavedView) -> NarrowedSnapshot:
    """Narrow a snapshot to the models of a view.

    What names no model, such as an alert about a full disk or a stress test of a portfolio, stays: nobody else's
    front page would show it to this desk.
    """
    tags = _tags_by_model(snapshot)
    known = {model.model for model in snapshot.models}
    found = frozenset(model for model in known if view.is_about(model, tags.get(model, {})))
    missing = () if "registry" in snapshot.unread else _missing(view, known, tags)
    if view.is_about_all:
        return NarrowedSnapshot(snapshot, tuple(sorted(known)), missing)

    def is_wanted(model: str) -> bool:
        # A model that is not registered yet has no tags, and may have a session or an alert.
        return model in found if model in known else not view.tags and is_named(model, view.models)

    sessions = tuple(each for each in snapshot.sessions if any(map(is_wanted, models_of_session(each))))
    rollouts = tuple(each for each in snapshot.rollouts if is_wanted(each.model))
    retrainings = tuple(each for each in snapshot.retrainings if is_wanted(each.model))
    own = {
        "rollout": {each.rollout_id for each in rollouts},
        "session": {each.session_id for each in sessions},
    }
    ids = frozenset().union(*own.values(), (each.retraining_id for each in retrainings))

    def is_own_alert(alert: "Alert") -> bool:
        if model := alert.labels.get("model"):
            return is_wanted(model)
        named = [label for label in own if alert.labels.get(label)]
        return not named or any(alert.labels[label] in own[label] for label in named)

    def is_own_object(named: str) -> bool:
        return named in ids or is_wanted(named.partition("/")[0].partition("@")[0])

    kept = replace(
        snapshot,
        models=tuple(each for each in snapshot.models if each.model in found),
        versions=tuple(each for each in snapshot.versions if each.model in found),
        aliases=tuple(each for each in snapshot.aliases if each.model in found),
        rollouts=rollouts,
        retrainings=retrainings,
        monitoring=tuple(each for each in snapshot.monitoring if is_wanted(each.model)),
        sessions=sessions,
        stress_tests=tuple(
            each
            for each in snapshot.stress_tests
            if not each.models or any(is_wanted(model.partition("@")[0]) for model in each.models)
        ),
        alerts=tuple(each for each in snapshot.alerts if is_own_alert(each)),
        audit=tuple(each for each in snapshot.audit if is_own_object(each.object)),
    )
    return NarrowedSnapshot(kept, tuple(sorted(found)), missing)


def models_of_session(session: "Session") -> tuple[str, ...]:
    """Return the models that a session trains: those of its settings, else its model of language."""
    named = session.settings.get("models") or {}
    return (*named, *([session.text.model] if session.text is not None else []))


def _tags_by_model(snapshot: Snapshot) -> Mapping[str, dict[str, str]]:
    """Return the tags of the live version of each model, else of its newest."""
    live = {model.model: model.production for model in snapshot.models}
    tags: dict[str, dict[str, str]] = {}
    newest: dict[str, object] = {}
    for version in snapshot.versions:
        if live.get(version.model) == version.version:
            tags[version.model] = version.tags
        elif not live.get(version.model) and (
            version.model not in newest or version.created_at > newest[version.model]  # type: ignore[operator]
        ):
            newest[version.model] = version.created_at
            tags[version.model] = version.tags
    return tags


def _missing(view: SavedView, known: set[str], tags: Mapping[str, dict[str, str]]) -> tuple[str, ...]:
    missing = [
        f"no model {pattern}" for pattern in view.models if not any(is_named(model, (pattern,)) for model in known)
    ]
    for name, value in view.tags.items():
        if not any(is_named(each.get(name, ""), (value,)) for each in tags.values()):
            missing.append(f"no version is tagged {name}={value}")
    return tuple(missing)
