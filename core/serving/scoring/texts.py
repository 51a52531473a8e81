"""A model of language among the served versions: it writes for the routes of texts, and refuses rows."""

from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from core.losses import AnswerForm, AnswerKind
from core.models.errors import AnswersNoRowsError
from core.models.scoring.fields import Rows
from core.serving.errors import BadRequestError
from core.serving.scoring.scorer import Scorer
from core.serving.signature import TextSignature
from core.text.sampling import SamplingOptions, write_text
from core.text.traffic import TextGauge
from core.text.version import open_text_version

_PROBED_TOKENS = 16


class TextScorer(Scorer):
    """A loaded model of language."""

    form = AnswerForm(AnswerKind.TEXT)

    def __init__(self, folder: Path) -> None:
        """Open the files of a version, and let it write a few words.

        Raises:
            CoreError: It cannot be opened.
        """
        self.text = text = open_text_version(folder)
        self.gauge = TextGauge(text)
        self.signature = TextSignature()
        write_text(text.model, text.tokenizer, SamplingOptions(max_tokens=_PROBED_TOKENS))

    @override
    def check(self, rows: Rows) -> None:
        self.answer(rows)

    @override
    def answer(self, rows: Rows) -> NoReturn:
        raise BadRequestError(f"{AnswersNoRowsError()} Texts are at POST /api/v1/generate/MODEL and /v1/completions.")
