"""The signatures of the built-in models: the column dictionary of bond panels, and the levels a model has learnt."""

from collections.abc import Mapping, Sequence

from core.domains.bonds.data.columns import BY_NAME
from core.models.supervised import SupervisedModel
from core.serving.scoring.features import CompiledSpace
from core.serving.scoring.forest import CompiledForest
from core.serving.signature import Field, Signature

_NO_LEVELS: Mapping[str, tuple[str, ...]] = {}
_EVIDENCE = "nats of evidence"


def supervised_signature(model: SupervisedModel, space: CompiledSpace) -> Signature:
    """Describe what a model with a label reads."""
    unit = BY_NAME[model.label].unit if model.task == "regression" else "probability"
    return Signature(_fields([*space.numbers, *space.categories], space.levels), unit=unit)


def anomaly_signature(spread: SupervisedModel, space: CompiledSpace) -> Signature:
    """Describe what the residual detector reads: all the spread model does, the spread itself, and two dates."""
    dates = [Field(name=name, kind="date", nullable=True, required=False) for name in ("issue_date", "maturity_date")]
    return Signature([*_fields([*space.numbers, *space.categories], space.levels), *dates], unit=_EVIDENCE)


def forest_signature(forest: CompiledForest) -> Signature:
    """Describe what the isolation forest reads."""
    return Signature(_fields(forest.numbers, _NO_LEVELS), unit="isolation score")


def _fields(names: Sequence[str], levels: Mapping[str, tuple[str, ...]]) -> list[Field]:
    fields = []
    for name in names:
        column = BY_NAME[name]
        fields.append(
            Field(
                name=name,
                kind="text" if column.kind == "string" else column.kind,
                unit=column.unit,
                least=column.least,
                most=column.most,
                nullable=column.nullable or column.can_lack,
                categories=levels.get(name, ()),
            )
        )
    return fields
