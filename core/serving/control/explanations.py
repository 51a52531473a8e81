"""Why a version answers as it does, over HTTP."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.access.verbs import INSPECT as INSPECTS
from core.governance import require_access
from core.serving.authenticator import Caller
from core.serving.control.admission import INSPECT, Given, inspected
from core.serving.control.given_rows import GivenRows
from core.serving.errors import BadRequestError
from core.state import Workspace
from core.training.own_data.explanation import (
    ComparedExplanations,
    ExplainRequest,
    RowExplanation,
    VersionExplanation,
)
from core.training.own_data.served_trend import ServedExplanation

RowPlace = Annotated[int, Meta(ge=0, lt=1 << 31)]
WindowText = Annotated[str, Meta(max_length=40)]
FixedColumn = Annotated[str, Meta(min_length=1, max_length=200)]


class ExplainQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to explain, and how."""

    rows: GivenRows | None = None  # by default rows that the version kept, or rows that its domain draws
    version: str | None = None  # by default the live version, else the newest
    method: Literal["auto", "path-dependent", "background", "permutation", "exact", "lime"] = "auto"
    output: str | None = None  # of several classes the one to explain
    n_rows: Annotated[int, Meta(ge=1, le=10_000)] | None = None  # how many rows explain the version
    interactions: bool = False  # measure pairs of columns, too


class ExplainRowQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which row to explain, and how."""

    row: RowPlace | dict[str, Any]  # its position among the rows that the version kept, or its cells
    version: str | None = None  # by default the live version, else the newest
    method: Literal["auto", "path-dependent", "background", "permutation", "exact", "lime"] = "auto"
    output: str | None = None  # of several classes the one to explain
    reference_row: RowPlace | None = None  # compare with this row instead of the mean
    turn: Annotated[str, Meta(max_length=100)] | None = None  # search the smallest change that turns the answer
    interval: Annotated[float, Meta(ge=0.5, le=0.995)] | None = None  # the level of a conformal interval
    fixed: Annotated[list[FixedColumn], Meta(max_length=1_000)] = []  # columns that this search may not change


class CompareQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which two versions to compare, and how they are explained."""

    before: str
    after: str
    method: Literal["auto", "path-dependent", "background", "permutation", "exact", "lime"] = "auto"
    n_rows: Annotated[int, Meta(ge=1, le=10_000)] | None = None  # how many rows explain each


class ExplanationRoutes(Controller):
    """Explanations of versions and of rows."""

    path = "/models"
    tags = ["monitoring"]

    @post("/{model:str}/explain", opt=INSPECT, status_code=200, sync_to_thread=True)
    def explain_version(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[ExplainQuestion]
    ) -> VersionExplanation:
        """Explain what a version relies on, by rows that it kept or by given rows; nothing of them is stored."""
        from core.explain.explainer import ExplainMethod
        from core.serving.explained_cells import taken_as_served
        from core.training.own_data.explanation import explain_rows, explain_version

        request = ExplainRequest(
            model=model,
            version=inspected(workspace, caller, model, data.version),
            method=ExplainMethod(data.method),
            output=data.output,
            n_rows=data.n_rows,
            interactions=data.interactions,
        )
        if data.rows is None:
            return explain_version(workspace, request)
        return explain_rows(workspace, taken_as_served(workspace, request, data.rows), data.rows)

    @post("/{model:str}/explain/row", opt=INSPECT, status_code=200, sync_to_thread=True)
    def explain_row(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        data: JSONBody[ExplainRowQuestion],
    ) -> RowExplanation:
        """Explain why a version answers one row as it does; nothing is stored."""
        from core.explain.explainer import ExplainMethod
        from core.serving.explained_cells import taken_as_served
        from core.training.own_data.explanation import explain_one

        if data.fixed and data.turn is None:
            raise BadRequestError("goes with turn: say which answer counts as turned", field="fixed")
        request = ExplainRequest(
            model=model,
            version=inspected(workspace, caller, model, data.version),
            row=data.row,
            method=ExplainMethod(data.method),
            output=data.output,
            reference_row=data.reference_row,
            turn=data.turn,
            fixed=data.fixed,
            interval=data.interval,
        )
        return explain_one(workspace, taken_as_served(workspace, request))

    @post("/{model:str}/explain/compare", opt=INSPECT, status_code=200, sync_to_thread=True)
    def compare(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[CompareQuestion]
    ) -> ComparedExplanations:
        """Compare what two versions of a model rely on; nothing is stored."""
        from core.explain.explainer import ExplainMethod
        from core.training.own_data.explanation import compare_explained

        for version in (data.before, data.after):
            inspected(workspace, caller, model, version)
        request = ExplainRequest(model=model, version=data.after, method=ExplainMethod(data.method), n_rows=data.n_rows)
        return compare_explained(workspace, request, data.before)

    @get("/{model:str}/explain/over", opt=INSPECT, sync_to_thread=True)
    def explain_over(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        over: FromQuery[WindowText] = "7d",
        version: FromQuery[str | None] = None,
    ) -> ServedExplanation:
        """Say what the versions of a model, or one of them, relied on while they served, and what changed."""
        from core.clock import read_duration
        from core.training.own_data.served_trend import explain_over

        if version is None:  # of every version, in whichever stages
            require_access(workspace, caller.actor, INSPECTS, object=model, model=model)
        else:
            inspected(workspace, caller, model, version)
        return explain_over(workspace, model, read_duration(over), version=version)
