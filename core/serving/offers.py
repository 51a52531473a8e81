"""Which models a server offers, and with which of their versions: all of the registry, or those of `serving.models`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from core.registry import ModelVersion, RegisteredModel, Stage
from core.registry.numbering import SemanticVersion
from core.settings.served_models import ServedModelSettings, full_version, is_version

ServedList = Mapping[str, ServedModelSettings]
_BY_REGISTRY = ServedModelSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedOffer:
    """One model as a server offers it.

    Attributes:
        model: The model in the registry.
        versions: The versions that requests may name.
        live: The version that answers by default, once it is loaded.
        is_pinned: Whether the list decides so, against the registry.
        arms: The versions of a rollout.
        labels: The names for versions, in lower case.
        kept: Further versions that are loaded before anybody asks for them.
        unregistered: Versions of the list that the registry does not have.
    """

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    live: str | None
    is_pinned: bool
    arms: tuple[str, ...]
    labels: Mapping[str, str]
    kept: tuple[str, ...]
    unregistered: tuple[str, ...]


def is_listed(listed: ServedList, model: str) -> bool:
    """Whether a server offers a model; without a list it offers every model."""
    return not listed or model in listed


def offer_of(
    model: RegisteredModel,
    versions: Sequence[ModelVersion],
    entry: ServedModelSettings | None,
    *,
    aliases: Mapping[str, str],
    arms: tuple[str, ...],
    arm_labels: Mapping[str, str],
) -> ServedOffer:
    """Say what a server offers of a model.

    Args:
        model: The model.
        versions: Its registered versions.
        entry: Its entry in the list; None without a list.
        aliases: Its aliases in the registry.
        arms: The versions of its rollout.
        arm_labels: The labels that exist only during a rollout.
    """
    entry = entry or _BY_REGISTRY
    registered = {version.version for version in versions}
    named = [full_version(target) for target in entry.labels.values() if is_version(target)]
    chosen = _CHOICES[entry.versions](model, versions, entry) if isinstance(entry.versions, str) else None
    if chosen is None:
        chosen = [full_version(version) for version in entry.versions]
        offered = {number for number in chosen if number in registered}
    else:
        offered = {*chosen, *arms, *named} & registered
    live = model.production if model.production in offered else None
    is_pinned = live is None and not isinstance(entry.versions, str) and bool(offered)
    if is_pinned:
        live = max(offered, key=SemanticVersion.parse)
    labels = {**aliases, **_stages(versions), **arm_labels}
    labels |= {label.lower(): _target(target, labels) for label, target in entry.labels.items()}
    wanted = [number for number in chosen if entry.versions != "registry"]
    return ServedOffer(
        model=model,
        versions=[version for version in versions if version.version in offered],
        live=live,
        is_pinned=is_pinned,
        arms=tuple(arm for arm in arms if arm in offered),
        labels=MappingProxyType({label: number for label, number in labels.items() if number in offered}),
        kept=tuple(number for number in [*model.previous_production[-1:], *wanted] if number in offered),
        unregistered=tuple(
            number
            for number in dict.fromkeys([*([] if isinstance(entry.versions, str) else chosen), *named])
            if number not in registered
        ),
    )


def _every(_: RegisteredModel, versions: Sequence[ModelVersion], _entry: ServedModelSettings) -> list[str]:
    return [version.version for version in versions]


def _unarchived(model: RegisteredModel, versions: Sequence[ModelVersion], _: ServedModelSettings) -> list[str]:
    return [version.version for version in versions if version.stage is not Stage.ARCHIVED]


def _newest(model: RegisteredModel, _: Sequence[ModelVersion], entry: ServedModelSettings) -> list[str]:
    """Return the version in Production and those before it: what TensorFlow Serving finds in the folder of a model."""
    if model.production is None:
        return []
    return list(dict.fromkeys([model.production, *reversed(model.previous_production)]))[: entry.latest]


_CHOICES: Mapping[str, Callable[[RegisteredModel, Sequence[ModelVersion], ServedModelSettings], list[str]]] = {
    "registry": _every,
    "all": _unarchived,
    "latest": _newest,
}


def _stages(versions: Sequence[ModelVersion]) -> dict[str, str]:
    """Return each stage with its newest version."""
    return {version.stage.lower(): version.version for version in versions if version.stage is not Stage.ARCHIVED}


def _target(target: int | str, labels: Mapping[str, str]) -> str:
    """Return the version of a label of the list: itself, or the version of the stage or the alias that it follows."""
    if is_version(target):
        return full_version(target)
    return labels.get(str(target).lower().removeprefix("@"), "")


def notes_on(listed: ServedList) -> list[str]:
    """Tell what a list says that has no meaning here, a sentence for each model."""
    return [
        f"{model}: {' and '.join(entry.ignored)} of the list {'is' if len(entry.ignored) == 1 else 'are'} ignored: "
        "the registry holds the files of a model and says what computes it"
        for model, entry in listed.items()
        if entry.ignored
    ]
