"""Verbs about stress tests: start one, look at another severity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from console.presentation.offer import Offer
from console.presentation.phrases import counted
from console.verbs.offer import OfferContext
from console.verbs.verb import Argument, Change, Command, Key, Noun, ScreenAction
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.stress.stress_test import StressRequest

STRESS: Noun[None] = Noun(
    group="stress",
    arguments=(),
    missing="No stress test is stored; {stress.run_stress} starts one.",
    find=lambda _snapshot, _words: None,
)
"""The stress tests of the workspace as a whole."""
SEVERITY = ScreenAction(
    "severity", Key("m", "severity", "Show the heat map of the next severity: mild, moderate, severe"), on=("stress",)
)


ALL = "all"  # scenarios, or versions


class RunStress(Change[None]):
    """Stress the portfolio of the newest draw, and versions on the same panel."""

    name = "run_stress"
    noun = STRESS
    key = Key("S", "stress", "Start a stress test on a panel of the newest session's settings (asks first)")
    command = Command(
        "start a stress test: all scenarios, or one; with models: all live ones, or MODEL@VERSION",
        options=(Argument("SCENARIO"), Argument("VERSION")),
    )

    def refused(self, app: "ConsoleControls", thing: None) -> str | None:
        """Start a test whether or not one is stored."""
        return app.refusal

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer it; the right arrow goes from all scenarios to each family, the left arrow through versions.

        Raises:
            CoreError: The domain has no stress tests, or there is no such scenario.
        """
        from core.stress.choosing import chosen_scenarios, stress_engine

        scenario, version = (*options, "", "")[:2]
        here = "" if scenario == ALL else scenario
        request = _of_newest_draw(context, here)
        engine = stress_engine(request.domain)
        scenarios = chosen_scenarios(engine.scenarios, request.scenarios)
        families = ("", *dict.fromkeys(each.family for each in engine.scenarios))
        following = families[(families.index(here) + 1) % len(families)] if here in families else ""
        live = _live_versions(context, request.domain)
        stressed = live if version == ALL else (version,) if version else ()
        choices = ("", *((ALL,) if len(live) > 1 else ()), *live)
        next_version = choices[(choices.index(version) + 1) % len(choices)] if version in choices else ""

        def commit(reason: str) -> str:
            from core.settings import settings_in_force
            from core.stress.stored_tests import StressTests
            from core.stress.stress_test import run_stress_test
            from core.training.version_stress import stress_versions

            if stressed:
                training = settings_in_force(context.workspace.root).training
                report = stress_versions(context.workspace, request, stressed, training)
            else:
                report = run_stress_test(request)
            test = StressTests(context.workspace).keep(report, context.actor, reason=reason)
            of_versions = f", with {counted(len(stressed), 'version')}" if stressed else ""
            return f"Stored {test.test_id}{of_versions}: worst {test.worst.key}, {test.worst.pnl_share:+.1%}."

        if len(choices) > 1:
            models = f"{_words_of(version, live)}  left arrow: {_words_of(next_version, live)}"
        else:
            models = stressed[0] if stressed else f"none: no version of a model of {request.domain} is live"
        names = ", ".join(each.name for each in scenarios)
        facts = (
            ("portfolio", f"a panel of {counted(request.n_rows, 'row')}, seed {request.seed}, domain {request.domain}"),
            ("scenarios", f"{here or 'all'}  right arrow: {following or 'all'}"),
            ("", names),
            ("severities", "mild, moderate, severe"),
            ("versions", models),
            *((("", ", ".join(stressed)),) if version == ALL else ()),
        )
        return Offer(
            title="Start a stress test",
            lines=(
                *(Line(((f"{name:<12}", "muted"), (value, ""))) for name, value in facts),
                *section(
                    "What will happen",
                    (
                        "It runs beside the screens for some seconds; the result is stored and audited.",
                        *(("Versions answer the panel under each case, against its own truth.",) if stressed else ()),
                        "Nothing that serves or trains is changed.",
                    ),
                ),
                *section("How to undo it", ("bondx prune stress removes old results.",)),
            ),
            confirm="Start",
            doing="Running the stress test",
            commit=commit,
            another=lambda: self.offer(context, None, following, version),
            other=(lambda: self.offer(context, None, scenario, next_version)) if len(choices) > 1 else None,
        )


RUN_STRESS = RunStress()


def _of_newest_draw(context: OfferContext, scenario: str) -> "StressRequest":
    """Return a request for a panel as the newest session draws it; without a session, as the settings say."""
    from core.explain.deny_list import DenyList
    from core.settings import settings_in_force
    from core.stress.choosing import DRAWN_ROWS
    from core.stress.stress_test import StressRequest
    from core.training.sessions import Sessions

    sessions = Sessions(context.workspace).all()
    training = sessions[-1].training if sessions else settings_in_force(context.workspace.root).training
    return StressRequest(
        domain=training.domain,
        denied=DenyList.of_cells_in_force(context.workspace.root),
        n_rows=max(training.dataset_size, DRAWN_ROWS),
        seed=training.random_seed,
        scenarios=(scenario,) if scenario else (),
    )


def _live_versions(context: OfferContext, domain: str) -> tuple[str, ...]:
    """Return the versions in Production of the models of a domain, such as "spread@1.2.0"."""
    from core.domains.registry import session_domain
    from core.registry import Registry

    known = session_domain(domain).models
    models = [each for each in Registry(context.workspace).models() if each.model in known]
    return tuple(f"{each.model}@{each.production}" for each in models if each.production is not None)


def _words_of(version: str, live: Sequence[str]) -> str:
    return f"all {len(live)} live" if version == ALL else version or "none"
