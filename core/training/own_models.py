"""Models of installed packages, checked against the data of a session before it is requested. Light."""

import msgspec

from core.domains.catalogue import model_class
from core.domains.domain import DrawRequest, SessionDomain, SmallDrawDomain
from core.errors import CoreError, UsageError
from core.escape import shown, spelled_out
from core.settings import TrainingSettings

_FEW_ROWS = 64  # enough for every column, and drawn in a moment


class MissingOwnColumnError(UsageError):
    """A user's own model reads or predicts a column that the data of the session do not have."""

    def __init__(self, model: str, role: str, column: str, domain: SessionDomain, known: list[str]) -> None:
        import difflib

        near = difflib.get_close_matches(column, known, n=1, cutoff=0.7)
        hint = f" Did you mean {near[0]}?" if near else f" Its columns: {', '.join(known)}."
        super().__init__(f"The {role} of the model {model!r} is {shown(column)}, which {domain.name} lacks.{hint}")


class UndrawnDomainError(UsageError):
    """A domain of an installed package fails to draw its data."""

    def __init__(self, domain: SessionDomain, n_rows: int, error: Exception) -> None:
        why = f"{type(error).__name__}: {shown(str(error), most=200)}"
        super().__init__(
            f"The domain {shown(domain.name)} cannot draw {n_rows:,} {spelled_out(domain.rows)} ({why}). "
            "Correct its draw(), or its settings under domain_settings."
        )


def require_own_columns(settings: TrainingSettings, domain: SessionDomain, own_settings: msgspec.Struct) -> None:
    """Check that the data have what the models of installed packages predict and read.

    Only such models cost a draw, of few rows: those of the domain know its columns. A domain that does not name its
    smallest draw may need more rows than a few; its columns are then checked by the session alone.

    Args:
        settings: Of the session.
        domain: Its domain.
        own_settings: The domain's own settings, typed.
    Raises:
        MissingOwnColumnError: The data lack the label of a model, or one of its features.
        UndrawnDomainError: The domain fails to draw, of which an installed package may be the owner.
    """
    own = {name: model_class(name, domain) for name in settings.models if name not in domain.models}
    if not own:
        return
    from core.models.own_columns import installed_columns

    known = _known_columns(settings, domain, own_settings)
    if known is None:
        return
    for name, kind in own.items():
        label, features = getattr(kind, "label", None), getattr(kind, "features", None)
        if isinstance(label, str) and label not in known:
            raise MissingOwnColumnError(name, "label", label, domain, known)
        for column in features if isinstance(features, tuple) else ():
            if column not in known and column not in installed_columns():
                raise MissingOwnColumnError(name, "feature", column, domain, known)


def _known_columns(settings: TrainingSettings, domain: SessionDomain, own_settings: msgspec.Struct) -> list[str] | None:
    """Return the columns of a small draw; None if the domain does not say how small a draw may be, and has none."""
    from core.models.interface import table_of

    is_small_enough = isinstance(domain, SmallDrawDomain)
    least = domain.least_rows if isinstance(domain, SmallDrawDomain) else _FEW_ROWS
    n_rows = min(settings.dataset_size, max(least, _FEW_ROWS))
    request = DrawRequest("draw", n_rows, settings.random_seed, settings.random_seed, own_settings)
    try:
        return list(map(str, table_of(domain.draw(request)).columns))
    except CoreError:
        if is_small_enough:
            raise
    except Exception as error:  # it runs the code of an installed package
        if is_small_enough:
            raise UndrawnDomainError(domain, n_rows, error) from error
    return None
