"""The data sets that `bondx data generate` writes: a domain's own, or one panel as a session draws it. Light."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from core.domains.domain import DrawRequest
from core.domains.generator import Generated, GeneratingDomain, Generator
from core.domains.registry import domain_names, find_domain, session_domain
from core.errors import CoreError, UsageError
from core.field_problems import refusal_of
from core.json_documents import converted
from core.output_files import require_output
from core.plugins import PluginLoadError, load_object

log = logging.getLogger(__name__)


class PanelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a panel drawn as a session draws it."""

    rows: Annotated[int, Meta(ge=1, le=10_000_000, description="Rows to draw.")] = 1000
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Same seed, same bytes.")] = 42


def generators() -> dict[str, Generator]:
    """Return what can be generated, by domain. A package that cannot be loaded is left out, with a warning."""
    found = {}
    for name in domain_names():
        try:
            generator = _generator_of(name)
        except (PluginLoadError, UsageError) as error:
            log.warning("%s", error)
        else:
            if generator is not None:
                found[name] = generator
    return found


def generate_data(name: str, options: Mapping[str, Any], folder: Path, formats: Sequence[str]) -> Generated:
    """Write the data set of a domain.

    Args:
        name: The domain.
        options: The values of its options; those left out have their defaults.
        folder: The folder, created if it is missing.
        formats: The formats to write.
    Raises:
        UsageError: There is no such data set, or an option is unknown or out of its range, or the folder is a link.
        RefusedError: The folder is in a workspace, or not empty.
    """
    require_output(folder)
    generator = _generator_of(name)
    if generator is None:
        raise UsageError(f"The domain {name!r} has no data to generate.")
    try:
        settings = converted(dict(options), generator.settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"The data of {name} cannot be generated: {refusal_of(error, options)}.") from None
    if not generator.place:
        return _write_panel(name, cast(PanelOptions, settings), folder, formats)
    return cast(Generated, load_object(generator.place)(settings, folder, formats))


def _generator_of(name: str) -> Generator | None:
    domain = find_domain(name)
    if isinstance(domain, GeneratingDomain):
        return domain.generator
    try:
        rows = session_domain(name).rows
    except CoreError:
        return None  # it draws no data
    return Generator(f"{rows}, drawn as a session draws them", PanelOptions, place="")


def _write_panel(name: str, options: PanelOptions, folder: Path, formats: Sequence[str]) -> Generated:
    from core.files import FolderInUseError, is_occupied
    from core.settings import TrainingSettings
    from core.training.data_sets import write_data_set
    from core.training.panels import drawn
    from core.training.session_domain import domain_settings

    if is_occupied(folder):
        raise FolderInUseError(folder)
    settings = TrainingSettings(domain=name, random_seed=options.seed, dataset_size=options.rows)
    request = DrawRequest("draw", options.rows, options.seed, options.seed, domain_settings(settings))
    draw = drawn(session_domain(name), request)
    lineage = write_data_set(
        draw,
        folder,
        name=name,
        settings=settings,
        document={"domain": name, **msgspec.to_builtins(options)},
        formats=cast(Any, formats),
        reproduce=f"bondx data generate {name} --rows {options.rows} --seed {options.seed} --out DIR",
    )
    return Generated(lineage, f"{len(draw.panel.frame)} {session_domain(name).rows}, seed {options.seed}")
