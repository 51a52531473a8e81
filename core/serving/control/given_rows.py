"""Checks of rows that come with the request, or that were served lately, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.errors import NotFoundError, RefusedError
from core.monitoring.data_profile import NoProfileError, ProfileError
from core.registry.errors import OwnProfileError, ReasonNeededError
from core.registry.made_profiles import DamagedProfileError
from core.serving.authenticator import Caller
from core.serving.control.admission import INSPECT, OPERATE, Given, inspected
from core.serving.errors import BadRequestError, UnavailableError
from core.settings import load_policy
from core.state import Workspace
from core.training.own_data.drift import VersionDrift
from core.training.own_data.estimation import VersionEstimate
from core.training.own_data.given_rows import MOST_ROWS
from core.training.own_data.profile import VersionProfile

GivenRows = Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=MOST_ROWS)]


class DriftQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to compare with the profile of a version: rows, or what was served lately."""

    rows: GivenRows | None = None
    since_hours: Annotated[float, Meta(gt=0, le=87_600)] | None = None  # without rows; by default one hour
    version: str | None = None  # by default the live version, else the newest


class EstimateQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows without outcomes."""

    rows: GivenRows
    version: str | None = None  # by default the live version, else the newest


class ProfileWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows to make the profile of a version from."""

    rows: GivenRows  # with the target, if the version has one
    held_out: bool = False  # the version did not learn from them
    version: str | None = None  # by default the live version, else the newest
    reason: str = ""  # needed to replace a profile that was made before


class GivenRowsRoutes(Controller):
    """Drift and estimated performance of given rows, and the profile that rows are compared with."""

    path = "/models"
    tags = ["monitoring"]

    @post("/{model:str}/drift", opt=INSPECT, status_code=200, sync_to_thread=True)
    def check_drift(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[DriftQuestion]
    ) -> VersionDrift:
        """Compare rows, or the rows served within the last hours, with the profile of a version; nothing is stored."""
        version = inspected(workspace, caller, model, data.version)
        rules = load_policy(workspace.root).for_model(model).drift
        if data.rows is not None:
            from core.training.own_data.given_rows import check_rows

            if data.since_hours is not None:
                raise BadRequestError("goes with served rows; given rows are checked whole", field="since_hours")
            with _own_words(model):
                return check_rows(workspace, model, data.rows, rules, version=version)
        from core.training.own_data.live_drift import NoCountedRowsError, check_served

        since = timedelta(hours=1.0 if data.since_hours is None else data.since_hours)
        try:
            with _own_words(model):
                return check_served(workspace, model, rules, since=since, version=version)
        except NoCountedRowsError as error:
            raise BadRequestError(f"{error.problem}; ask for a longer time with since_hours, or give rows.") from error

    @get("/{model:str}/profile", opt=INSPECT, sync_to_thread=True)
    def get_profile(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromQuery[str | None] = None,
    ) -> VersionProfile:
        """Return what a version learned from, by default the live version, else the newest: counts, and no row."""
        from core.training.own_data.profile import version_profile

        try:
            with _own_words(model):
                return version_profile(workspace, model, version=inspected(workspace, caller, model, version))
        except WithoutProfileError as error:
            raise NotFoundError(str(error)) from error

    @post("/{model:str}/profile", opt=OPERATE, status_code=201, sync_to_thread=True)
    def make_profile(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[ProfileWish]
    ) -> VersionProfile:
        """Make the profile of a version that was registered without one; one in the artifact is never replaced."""
        from core.training.own_data.profile import make_profile_of_rows

        with _own_words(model):
            return make_profile_of_rows(
                workspace,
                model,
                data.rows,
                actor=caller.actor,
                version=data.version,
                held_out=data.held_out,
                reason=data.reason,
            )

    @post("/{model:str}/estimates", opt=INSPECT, status_code=200, sync_to_thread=True)
    def estimate_rows(
        self, workspace: Given[Workspace], caller: Given[Caller], model: FromPath[str], data: JSONBody[EstimateQuestion]
    ) -> VersionEstimate:
        """Estimate how well a version does on rows whose outcomes are unknown; nothing is stored."""
        from core.training.own_data.given_rows import estimate_on_rows

        with _own_words(model):
            version = inspected(workspace, caller, model, data.version)
            return estimate_on_rows(workspace, model, data.rows, version=version)


class WithoutProfileError(BadRequestError):
    """The version has no profile that the request needs."""


@contextmanager
def _own_words(model: str) -> Iterator[None]:
    """Let refusals name the requests that cure them in place of commands.

    Raises:
        CoreError: That of the block, with its own cure.
    """
    path = f"/api/v1/models/{model}/profile"
    try:
        yield
    except NoProfileError as error:
        cure = f"Make one of that data: POST {path} with its rows."
        raise WithoutProfileError(f"{error.place}: {error.problem}. {cure}") from error
    except ProfileError as error:
        if not isinstance(error.__cause__, DamagedProfileError):
            raise
        cure = f"Restore the file from a backup, or make the profile again: POST {path} with its rows and a reason."
        raise UnavailableError(f"{error.place}: {error.problem}. {cure}") from error
    except OwnProfileError as error:
        raise RefusedError(f"{error.problem} GET {path} shows it.") from error
    except ReasonNeededError as error:
        raise BadRequestError(f"is needed: {error.problem}", field="reason") from error
