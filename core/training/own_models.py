"""Models of installed packages, checked against the data of a session before it is requested. Light."""

import msgspec

from core.domains.catalogue import model_class
from core.domains.domain import DrawRequest, SessionDomain, SmallDrawDomain
from core.errors import UsageError
from core.escape import shown
from core.settings import TrainingSettings

_FEW_ROWS = 64  # enough for every column, and drawn in a moment


class MissingOwnColumnError(UsageError):
    """A user's own model reads or predicts a column that the data of the session do not have."""

    def __init__(self, model: str, role: str, column: str, domain: SessionDomain, known: list[str]) -> None:
        import difflib

        near = difflib.get_close_matches(column, known, n=1, cutoff=0.7)
        hint = f" Did you mean {near[0]}?" if near else f" Its columns: {', '.join(known)}."
        super().__init__(f"The {role} of the model {model!r} is {shown(column)}, which {domain.name} lacks.{hint}")


def require_own_columns(settings: TrainingSettings, domain: SessionDomain, own_settings: msgspec.Struct) -> None:
    """Check that the data have what the models of installed packages predict and read.

    Only such models cost a small draw: those of the domain know its columns.

    Args:
        settings: Of the session.
        domain: Its domain.
        own_settings: The domain's own settings, typed.
    Raises:
        MissingOwnColumnError: The data lack the label of a model, or one of its features.
    """
    own = {name: model_class(name, domain) for name in settings.models if name not in domain.models}
    if not own:
        return
    from core.models.interface import table_of
    from core.models.own_columns import installed_columns

    known = list(map(str, table_of(domain.draw(_small_request(settings, domain, own_settings))).columns))
    for name, kind in own.items():
        label, features = getattr(kind, "label", None), getattr(kind, "features", None)
        if isinstance(label, str) and label not in known:
            raise MissingOwnColumnError(name, "label", label, domain, known)
        for column in features if isinstance(features, tuple) else ():
            if column not in known and column not in installed_columns():
                raise MissingOwnColumnError(name, "feature", column, domain, known)


def _small_request(settings: TrainingSettings, domain: SessionDomain, own_settings: msgspec.Struct) -> DrawRequest:
    least = domain.least_rows if isinstance(domain, SmallDrawDomain) else settings.dataset_size
    n_rows = min(settings.dataset_size, max(least, _FEW_ROWS))
    return DrawRequest("draw", n_rows, settings.random_seed, settings.random_seed, own_settings)
