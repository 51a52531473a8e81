"""Verbs about stress tests: start one, look at another severity."""

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


class RunStress(Change[None]):
    """Stress the portfolio of the newest draw."""

    name = "run_stress"
    noun = STRESS
    key = Key("S", "stress", "Start a stress test on a panel of the newest session's settings (asks first)")
    command = Command("start a stress test: all scenarios, or one scenario or family", options=(Argument("SCENARIO"),))

    def refused(self, app: "ConsoleControls", thing: None) -> str | None:
        """Start a test whether or not one is stored."""
        return app.refusal

    def offer(self, context: OfferContext, thing: None, *options: Any) -> Offer:
        """Offer it; the right arrow goes from all scenarios to each family.

        Raises:
            CoreError: The domain has no stress tests, or there is no such scenario.
        """
        from core.stress.choosing import chosen_scenarios, stress_engine

        request = _of_newest_draw(context, options[0] if options else "")
        engine = stress_engine(request.domain)
        scenarios = chosen_scenarios(engine.scenarios, request.scenarios)
        families = ("", *dict.fromkeys(scenario.family for scenario in engine.scenarios))
        here = request.scenarios[0] if request.scenarios else ""
        following = families[(families.index(here) + 1) % len(families)] if here in families else ""

        def commit(reason: str) -> str:
            from core.stress.stored_tests import StressTests
            from core.stress.stress_test import run_stress_test

            test = StressTests(context.workspace).keep(run_stress_test(request), context.actor, reason=reason)
            return f"Stored {test.test_id}: worst {test.worst.key}, {test.worst.pnl_share:+.1%}."

        names = ", ".join(scenario.name for scenario in scenarios)
        facts = (
            ("portfolio", f"a panel of {counted(request.n_rows, 'row')}, seed {request.seed}, domain {request.domain}"),
            ("scenarios", f"{here or 'all'}  right arrow: {following or 'all'}"),
            ("", names),
            ("severities", "mild, moderate, severe"),
        )
        return Offer(
            title="Start a stress test",
            lines=(
                *(Line(((f"{name:<12}", "muted"), (value, ""))) for name, value in facts),
                *section(
                    "What will happen",
                    (
                        "It runs beside the screens for some seconds; the result is stored and audited.",
                        "Nothing that serves or trains is changed.",
                    ),
                ),
                *section("How to undo it", ("bondx prune stress removes old results.",)),
            ),
            confirm="Start",
            doing="Running the stress test",
            commit=commit,
            another=lambda: self.offer(context, None, *((following,) if following else ())),
        )


RUN_STRESS = RunStress()


def _of_newest_draw(context: OfferContext, scenario: str) -> "StressRequest":
    """Return a request for a panel as the newest session draws it; without a session, as the settings say."""
    from core.settings import settings_in_force
    from core.stress.choosing import DRAWN_ROWS
    from core.stress.stress_test import StressRequest
    from core.training.sessions import Sessions

    sessions = Sessions(context.workspace).all()
    training = sessions[-1].training if sessions else settings_in_force(context.workspace.root).training
    return StressRequest(
        domain=training.domain,
        n_rows=max(training.dataset_size, DRAWN_ROWS),
        seed=training.random_seed,
        scenarios=(scenario,) if scenario else (),
    )
