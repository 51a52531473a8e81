"""An explanation that was stored before some of its columns were denied, without these columns."""

from msgspec.structs import replace

from core.explain.deny_list import DenyList, left_out_note
from core.explain.documents import GlobalExplanation


def without_denied(report: GlobalExplanation, denied: DenyList) -> GlobalExplanation:
    """Leave out the columns that were denied after an explanation was stored.

    Their contributions cannot be added up any more. Rules and notes are texts: what names one of these columns goes as
    a whole.
    """
    names = dict.fromkeys(
        [
            *(entry.feature for entry in report.features),
            *(name for group in report.groups for name in group.features),
            *(name for pair in report.interactions for name in pair.features),
        ]
    )
    hidden = {name for name in (*names, *(each.slicing for each in report.slices)) if denied.denies(name)}
    if not hidden:
        return report
    surrogate = report.surrogate
    if surrogate is not None:
        surrogate = replace(
            surrogate,
            rules=denied.silent(surrogate.rules, hidden),
            disagrees=" ".join(denied.silent([surrogate.disagrees], hidden)),
        )
    left_out = left_out_note(len(hidden.intersection(names)), len(names))
    return replace(
        report,
        features=tuple(entry for entry in report.features if entry.feature not in hidden),
        groups=tuple(group for group in report.groups if not hidden.intersection(group.features)),
        effects=tuple(effect for effect in report.effects if effect.feature not in hidden),
        slices=tuple(
            replace(each, importance={name: size for name, size in each.importance.items() if name not in hidden})
            for each in report.slices
            if each.slicing not in hidden
        ),
        surrogate=surrogate,
        interactions=tuple(pair for pair in report.interactions if not hidden.intersection(pair.features)),
        notes=(*denied.silent(report.notes, hidden), left_out),
    )
