"""The domain of another package: loans with a known truth. Light, as `core.domains.domain` asks for."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.domains.domain import ModelOffer
from core.domains.report_section import ReportSection
from core.models.algorithms import SUPERVISED


class LoanSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    noise: Annotated[float, Meta(ge=0, description="Sd of the unpredictable part of a loss.")] = 0.5


class LoanDomain:
    name = "loans"
    rows = "loans"
    groups = "borrowers"
    group_column = "borrower"
    notice = "No borrower in these figures is real."
    test_panels = ("test",)
    settings = LoanSettings
    models = {"loss": ModelOffer("loan_models:LossModel", SUPERVISED)}

    @property
    def checks(self):
        from loan_models import LOAN_CHECKS

        return LOAN_CHECKS

    def report_sections(self, settings, session_seed):
        rows = (("noise", f"{settings.noise}"), ("seed", f"{session_seed}"))
        return (ReportSection(title="Terms", about="What was lent.", columns=("term", "value"), rows=rows),)

    def draw(self, request):
        from loan_models import draw_loans

        return draw_loans(request.n_rows, request.seed, noise=request.settings.noise)


LOANS = LoanDomain()
