"""The models of all domains, and those of installed packages, by name. Light to import.

To add your own model, write one class (a `Model`, or a class with `train` and `predict`) and one line in your package's
metadata:

    [project.entry-points."bondx.models"]
    convexity = "my_package.convexity:ConvexityModel"
"""

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.domains.domain import Domain, ModelOffer
from core.domains.own_file import FileDomain
from core.domains.registry import built_in_domains, domain_names, find_domain
from core.errors import CoreError
from core.models.errors import AnswersNoRowsError, ArtifactError, UninstalledModelError
from core.plugins import MODELS, PluginLoadError, PluginNameTakenError, Plugins, installed_plugins, load_object

if TYPE_CHECKING:
    from core.domains.own_file import Judged
    from core.models.interface import Model
    from core.tables import ReadingRules, TableSignature

LAST_READER = "table"

log = logging.getLogger(__name__)

_installed = Plugins(MODELS, "model", unknown=UninstalledModelError)


def known_models(domain: Domain | None = None) -> tuple[str, ...]:
    """Name every model: the models of a domain, or of all domains, then those of installed packages."""
    domains = _domains() if domain is None else [domain]
    return tuple(dict.fromkeys([*(name for found in domains for name in found.models), *_installed.names()]))


def model_class(name: str, domain: Domain | None = None) -> "type[Model]":
    """Find the class of a model; a built-in name cannot be taken over by an installed package.

    Args:
        name: One of `known_models(domain)`.
        domain: The domain of the model; any by default.
    Raises:
        UninstalledModelError: There is no such model.
        PluginLoadError: The package that offers it cannot be loaded, or offers another kind of object.
        PluginNameTakenError: Several installed domains have a model of this name.
    """
    from core.models.interface import Model
    from core.models.two_methods import adapted, has_two_methods, lacks

    offer = _offer(name, built_in_domains() if domain is None else [domain])
    if offer is None and domain is None and name not in _installed.names():
        offer = _offer(name, _domains())
    if offer is not None:
        found = _offered(name, offer.place)
    elif name in _installed.names():
        found = _installed.load(name)
    else:
        raise UninstalledModelError(name, known_models(domain))
    if not (isinstance(found, type) and issubclass(found, Model)):
        place = getattr(found, "__qualname__", repr(found))
        if not has_two_methods(found):
            problem = "it is not a core.models.Model or a class with train() and predict()"
            raise PluginLoadError("model", name, place, problem)
        if (lack := lacks(found)) is not None:
            raise PluginLoadError("model", name, place, lack)
        return adapted(name, found)
    if lacking := sorted(getattr(found, "__abstractmethods__", ())):
        raise PluginLoadError("model", name, found.__qualname__, f"it lacks {', '.join(lacking)}")
    return found


def file_domains() -> tuple[FileDomain, ...]:
    """Return the domains that train on a user's own file, in order of precedence; the table domain takes any file."""
    readers = [cast(FileDomain, domain) for domain in _domains() if hasattr(domain, "prepare")]
    return tuple(sorted(readers, key=lambda domain: domain.name == LAST_READER))


def judged_by_its_domain(
    model: "Model",
    signature: "TableSignature | None",
    data: Path,
    rules: "ReadingRules",
    *,
    needs_target: bool = True,
) -> "Judged | None":
    """Prepare a file for the evaluation of a model by the domain that knows it; None if no domain does.

    The arguments and the errors are those of `FileDomain.to_judge`.
    """
    found = (domain.to_judge(model, signature, data, rules, needs_target=needs_target) for domain in file_domains())
    return next(filter(None, found), None)


def plugin_packages() -> dict[str, str]:
    """Name what each package of plug-ins offers, for errors raised in its code.

    Returns:
        By top-level package, such as {"loans": "the domain 'loans'"}. The packages of the models that a domain offers
        are included once the domain has been imported.
    """
    packages: dict[str, str] = {}
    for noun, name, place in installed_plugins():
        packages.setdefault(_top(place), f"the {noun} {name!r}")
        if noun == "domain" and place.partition(":")[0] in sys.modules:
            with suppress(CoreError, AttributeError):  # it is not a domain, and has no models
                for model, offer in find_domain(name).models.items():
                    packages.setdefault(_top(offer.place), f"the model {model!r} of the domain {name!r}")
    packages.pop("core", None)
    return packages


def _top(place: str) -> str:
    return place.partition(":")[0].partition(".")[0]


def algorithms_of(name: str, domain: Domain) -> tuple[str, ...]:
    """Return the algorithms of a model of a domain, or of an installed package.

    Raises:
        UninstalledModelError: Neither the domain nor an installed package has this model.
    """
    offer = domain.models.get(name)
    return offer.algorithms if offer is not None else model_class(name, domain).algorithms


def create(
    name: str, *, algorithm: str = "auto", settings: Mapping[str, Any] | None = None, domain: Domain | None = None
) -> "Model":
    """Make an untrained model.

    Args:
        name: One of `known_models(domain)`.
        algorithm: How to train it; "auto" tries the suitable candidates and ships the winner.
        settings: Parameters passed to the algorithm.
        domain: The domain of the model; any by default.
    Raises:
        UninstalledModelError: There is no such model.
        UnknownAlgorithmError: The model does not offer the algorithm.
        UnknownParameterError: The algorithm does not take a parameter.
        MissingExtraError: The algorithm needs an optional extra that is not installed.
    """
    return model_class(name, domain).trained_by(algorithm)(algorithm, settings)


def load_model(folder: Path) -> "Model":
    """Read a saved model of any name; no code in the folder is executed.

    Call it only after the registry has checked the folder against its manifest.

    Raises:
        ArtifactError: The artifact is damaged, tampered with, or of an unknown model.
        AnswersNoRowsError: It is a model of language.
    """
    return class_of(folder).load(folder)


def class_of(folder: Path) -> "type[Model]":
    """Find the class of a saved model; raises as `load_model` does."""
    from core.models.persistence.archive import KIND, TEXT, read_header

    header = read_header(folder)  # the class reads and checks the other files
    if header.get(KIND) == TEXT:
        raise AnswersNoRowsError
    try:
        return model_class(str(header.get("model"))).trained_by(str(header.get("algorithm")))
    except (UninstalledModelError, PluginLoadError) as error:
        raise ArtifactError(f"{folder} contains a model this installation does not know: {error}") from error


def _domains() -> Iterator[Domain]:
    for name in domain_names():
        try:
            yield find_domain(name)
        except (PluginLoadError, PluginNameTakenError) as error:  # the models of the other domains remain available
            log.warning("%s", error)


def _offered(name: str, place: str) -> Any:
    try:
        return load_object(place)
    except ModuleNotFoundError as error:
        # a module that the model itself imports is missing from the machine, and the place is right
        if error.name is None or not f"{place.partition(':')[0]}.".startswith(f"{error.name}."):
            raise
        raise PluginLoadError("model", name, place, error) from error
    except (AttributeError, ValueError) as error:  # no such class in the module; no module in the place
        raise PluginLoadError("model", name, place, error) from error


def _offer(name: str, domains: Iterable[Domain]) -> ModelOffer | None:
    offers = {domain.name: offer for domain in domains if (offer := domain.models.get(name)) is not None}
    if len({offer.place for offer in offers.values()}) > 1:
        raise PluginNameTakenError("model", name, sorted(offer.place for offer in offers.values()))
    return next(iter(offers.values()), None)
