"""The answers of programs that predict by themselves, in the form in which they are stored."""

import math
import threading
from collections.abc import Mapping
from numbers import Real
from pathlib import Path

from core.errors import CoreError, UsageError
from core.escape import shown
from core.losses import AnswerForm, AnswerKind, RecordedAnswer, pack_probabilities
from core.rollout.answers import form_of_model, form_of_signature
from core.state import Workspace
from core.tables.signature import TableSignature

_SUM_TOLERANCE = 0.01


class RecordedAnswers:
    """Turns the values of callers into answers, by what each version answers; safe to share between threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._forms: dict[tuple[str, str], AnswerForm] = {}
        self._lock = threading.Lock()

    def recorded(self, model: str, version: str, value: float | str | Mapping[str, float] | None) -> RecordedAnswer:
        """Return an answer of a version.

        Raises:
            UsageError: The value is no number, no class, and no probabilities of classes.
        """
        form = self._form(model, version)
        if value is None:
            return RecordedAnswer(form)
        if isinstance(value, str):
            return RecordedAnswer(AnswerForm(AnswerKind.CLASS, form.classes), None, value.encode())
        if isinstance(value, Mapping):
            return _of_probabilities(form, value)
        if not isinstance(value, Real):
            raise UsageError(
                f"The value of a prediction is {shown(value)}; it must be a number, the name of a class, or the "
                "probability of each class by its name."
            )
        return RecordedAnswer(form, float(value))

    def _form(self, model: str, version: str) -> AnswerForm:
        with self._lock:
            if (model, version) not in self._forms:
                self._forms[model, version] = _form_in(self._workspace.artifacts_dir / model / version)
            return self._forms[model, version]


def _form_in(folder: Path) -> AnswerForm:
    """Return what the version in a folder answers; unknown for artifacts of other programs."""
    try:
        if (signature := TableSignature.read(folder)) is not None:
            return form_of_signature(signature)
        from core.domains.catalogue import class_of  # learners, which only a version without a signature needs

        return form_of_model(class_of(folder).task)
    except CoreError:
        return AnswerForm()


def _of_probabilities(form: AnswerForm, given: Mapping[str, float]) -> RecordedAnswer:
    classes = form.classes or tuple(sorted(map(str, given)))
    told = {str(name): float(p) for name, p in given.items()}
    if set(told) != set(classes):
        raise UsageError(f"The probabilities are of {', '.join(sorted(told))}; give those of {', '.join(classes)}.")
    if not all(0 <= p <= 1 for p in told.values()) or not math.isclose(sum(told.values()), 1, abs_tol=_SUM_TOLERANCE):
        raise UsageError(f"The probabilities of {', '.join(classes)} must be from 0 to 1 and sum to 1.")
    probabilities = [told[name] for name in classes]
    form = AnswerForm(AnswerKind.PROBABILITIES, classes)
    if len(classes) == 2:
        return RecordedAnswer(form, probabilities[1])
    return RecordedAnswer(form, None, pack_probabilities(probabilities))
