"""`bondx stress`: what a portfolio loses under scenarios."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count, share, whole
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.domains.stress import StressCase, StressMetric
    from core.stress.model_figures import ModelUnderStress, StressedTraining
    from core.stress.report import StressReport
    from core.stress.stress_test import StressRequest

_SEVERITIES = ("mild", "moderate", "severe")
_FIGURES = ("error", "calibration", "ranking", "loss", "attainment")
_BEYOND = 3
_TABLE = ("scenario", "severity", "pnl", "pnl_share", "impact")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "stress", help="what a portfolio loses under scenarios")
    run = command_parser(verbs, "run", help="stress a portfolio and keep the result")
    _add_choice(run)
    _add_portfolio(run)
    run.add_argument(
        "--model", dest="models", action="append", default=[], metavar="MODEL[@VERSION]",
        help="stress a registered version, too, on the drawn panel (repeatable)",
    )  # fmt: skip
    run.add_argument(
        "--instruments", type=Path, metavar="FILE", help="write every instrument of the one case into a new CSV file"
    )
    run.add_argument(
        "--max-loss", type=share, metavar="SHARE", help="exit code 1 if a case loses more of the market value"
    )
    run.add_argument("--dry-run", action="store_true", help="keep nothing")
    add_reading_arguments(run)
    add_reason_argument(run)
    add_json_argument(run)
    run.set_defaults(command=run_test)
    reverse = command_parser(verbs, "reverse", help="the smallest shock that loses too much, or fails a gate")
    aims = reverse.add_mutually_exclusive_group(required=True)
    aims.add_argument("--loss", type=share, metavar="SHARE", help="of the market value, such as 0.1")
    aims.add_argument("--impact", type=share, metavar="SHARE", help="an impact from 0 to 1, such as 0.3")
    aims.add_argument(
        "--gate", dest="gates", nargs="*", metavar="NAME",
        help="a quality gate of the drawn panel fails: one of these, or any",
    )  # fmt: skip
    _add_choice(reverse)
    _add_portfolio(reverse)
    add_reading_arguments(reverse)
    add_json_argument(reverse)
    reverse.set_defaults(command=search)
    listing = command_parser(verbs, "list", help="the stress tests that were kept, the newest first")
    add_json_argument(listing)
    listing.set_defaults(command=list_tests)
    show = command_parser(verbs, "show", help="a stress test: its cases, or one case in full")
    show.add_argument("test_id", metavar="TEST", nargs="?", help="its id, such as st-0001 (default: the newest)")
    show.add_argument("--scenario", metavar="NAME", help="show this scenario in full")
    show.add_argument("--severity", choices=_SEVERITIES, help="at this severity (default: the severest)")
    add_json_argument(show)
    show.set_defaults(command=show_test)
    compare = command_parser(verbs, "compare", help="what two stress tests lose, case by case")
    compare.add_argument("before", metavar="BEFORE")
    compare.add_argument("after", metavar="AFTER")
    add_json_argument(compare)
    compare.set_defaults(command=compare_two)
    scenarios = command_parser(verbs, "scenarios", help="the scenarios to choose from, with their shocks")
    _add_choice(scenarios)
    add_json_argument(scenarios)
    scenarios.set_defaults(command=list_scenarios)
    check = command_parser(verbs, "check", help="check files of own scenarios: exit code 2 if there is a fault")
    check.add_argument("files", type=Path, metavar="FILE", nargs="+")
    check.add_argument("--domain", metavar="NAME", help="the domain (default: that of the settings)")
    add_json_argument(check)
    check.set_defaults(command=check_files)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", metavar="NAME", help="the domain (default: that of the settings)")
    parser.add_argument(
        "--scenario", dest="scenarios", action="append", default=[], metavar="NAME",
        help="a scenario or a family (repeatable; default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--severity", dest="severities", action="append", default=[], choices=_SEVERITIES,
        help="repeatable; default: all",
    )  # fmt: skip
    parser.add_argument(
        "--scenarios", dest="scenario_files", action="append", default=[], type=Path, metavar="FILE",
        help="own scenarios in YAML (repeatable)",
    )  # fmt: skip


def _add_portfolio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--portfolio", type=Path, metavar="FILE", help="positions: CSV, Parquet or JSON lines (default: a drawn panel)"
    )
    parser.add_argument("--rows", type=count, metavar="N", help="without a file: rows of the panel (default 3000)")
    parser.add_argument("--seed", type=whole, metavar="N", help="without a file: the seed of the panel (default 42)")


def run_test(args: argparse.Namespace) -> int:
    """Stress a portfolio."""
    from console.cli.output import print_json, printable
    from core.output_files import require_new_output, write_new_output
    from core.settings import settings_in_force
    from core.stress.stored_tests import StressTests
    from core.stress.stress_test import instrument_table, run_stress_test

    workspace = open_workspace(args)
    request = _request(args)
    if args.instruments is not None:
        require_new_output(args.instruments, option="--instruments")
        table = instrument_table(request)
        write_new_output(args.instruments, table.to_csv(index=False).encode(), option="--instruments")
    if args.models:
        from core.training.version_stress import stress_versions

        report = stress_versions(workspace, request, args.models, settings_in_force(workspace.root).training)
    else:
        report = run_stress_test(request)
    kept = None if args.dry_run else StressTests(workspace).keep(report, person(), reason=args.reason)
    too_much = [] if args.max_loss is None else [case for case in report.cases if case.pnl_share < -args.max_loss]
    if args.json:
        print_json({"test": kept, "report": report})
    else:
        _print_report(report)
        if kept is not None:
            print(f"kept as {kept.test_id}")
        if args.instruments is not None:
            print(f"{len(table):,} instruments in {printable(args.instruments)}")
        for case in too_much:
            print(f"{printable(case.key)} loses {-case.pnl_share:.1%}, more than {args.max_loss:.1%}")
    return ExitCode.FAILING if too_much else ExitCode.GOOD


def _request(args: argparse.Namespace) -> "StressRequest":
    from core.explain.deny_list import DenyList
    from core.stress.choosing import DRAWN_ROWS
    from core.stress.stress_test import StressRequest

    if args.portfolio is not None and (args.rows is not None or args.seed is not None):
        raise UsageError("--rows and --seed are of a drawn panel; --portfolio names a file. Leave one out.")
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UsageError(f"--seed {args.seed}: it must be from 0 to {2**31 - 1}.")
    return StressRequest(
        domain=_domain(args),
        denied=DenyList.of_cells_in_force(open_workspace(args).root),
        portfolio=args.portfolio,
        n_rows=args.rows or DRAWN_ROWS,
        seed=42 if args.seed is None else args.seed,
        scenarios=args.scenarios,
        severities=args.severities,
        scenario_files=args.scenario_files,
        rules=reading_rules(args),
    )


def _domain(args: argparse.Namespace) -> str:
    from core.settings import settings_in_force

    if args.domain is not None:
        domain: str = args.domain
        return domain
    return settings_in_force(open_workspace(args).root).training.domain


def search(args: argparse.Namespace) -> int:
    """Print the smallest shocks that lose as much, or fail a gate."""
    from console.cli.output import print_json, print_table, printable
    from core.settings import settings_in_force
    from core.stress.stress_test import ReverseAim, reverse_stress

    aim = ReverseAim(loss_share=args.loss, impact=args.impact, gates=args.gates or (), any_gate=args.gates is not None)
    quality = settings_in_force(open_workspace(args).root).training.quality_gates
    found = reverse_stress(_request(args), aim, quality=quality)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "direction": each.direction,
            "size": "not reached" if each.size is None else f"{each.size:.3f}",
            "unit": each.unit,
            "gates": " ".join(map(printable, each.gates)),
            "impact": f"{each.value:.3f}" if each.target == "impact" else "",
            "pnl_share": _percent(each.pnl_share),
            "shock": " ".join(f"{name}={printable(value)}" for name, value in each.shock.items()),
        }
        for each in found
    ]
    shown = {"gate": ("gates",), "impact": ("impact",)}.get(found[0].target if found else "", ())
    columns = ("direction", "size", "unit", *shown, "pnl_share", "shock")
    print_table(rows, columns, empty="no scenario of one blow")
    return ExitCode.GOOD


def list_tests(args: argparse.Namespace) -> int:
    """Print the stress tests that were kept."""
    from console.cli.output import print_json, print_table
    from core.stress.stored_tests import StressTests

    found = StressTests(open_workspace(args)).all()
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "test": each.test_id,
            "at": each.created_at,
            "portfolio": each.portfolio,
            "instruments": each.n_instruments,
            "cases": len(each.cases),
            "worst": each.worst.key,
            "pnl_share": f"{each.worst.pnl_share:+.2%}",
            "by": each.created_by,
        }
        for each in found
    ]
    columns = ("test", "at", "portfolio", "instruments", "cases", "worst", "pnl_share", "by")
    print_table(rows, columns, empty="no stress tests")
    return ExitCode.GOOD


def show_test(args: argparse.Namespace) -> int:
    """Print a stress test, or one case of it."""
    from console.cli.output import print_json
    from core.errors import NotFoundError
    from core.escape import shown
    from core.stress.choosing import stress_engine
    from core.stress.stored_tests import StressTests

    tests = StressTests(open_workspace(args))
    test_id = tests.latest().test_id if args.test_id is None else args.test_id
    report = tests.report(test_id)
    if args.scenario is None:
        if args.severity is not None:
            raise UsageError("--severity goes with --scenario.")
        if args.json:
            print_json({"test": tests.get(test_id), "report": report})
        else:
            _print_report(report)
        return ExitCode.GOOD
    cases = [each for each in report.cases if each.scenario == args.scenario]
    cases = [each for each in cases if args.severity in (None, each.severity)]
    if not cases:
        known = ", ".join(case.key for case in report.cases)
        raise NotFoundError(f"{test_id} has no case of {shown(args.scenario)} there; it has {known}.")
    if args.json:
        print_json(cases[-1])
    else:
        _print_case(cases[-1], report.value_unit, stress_engine(report.domain).metrics)
    return ExitCode.GOOD


def compare_two(args: argparse.Namespace) -> int:
    """Print two tests side by side."""
    from console.cli.output import print_json, print_table
    from core.stress.comparison import compare_tests
    from core.stress.stored_tests import StressTests

    tests = StressTests(open_workspace(args))
    found = compare_tests(tests.get(args.before), tests.get(args.after))
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "scenario": each.scenario,
            "severity": each.severity,
            "before": _percent(each.pnl_share_before),
            "after": _percent(each.pnl_share),
            "change": _percent(each.change),
            "impact_before": each.impact_before,
            "impact": each.impact,
        }
        for each in found
        if not each.model
    ]
    columns = ("scenario", "severity", "before", "after", "change", "impact_before", "impact")
    print_table(rows, columns, empty="no cases")
    models = [
        {
            "model": each.model,
            "scenario": each.scenario,
            "severity": each.severity,
            "versions": f"{each.version_before or '-'} {each.version or '-'}",
            "error_before": "" if each.error_ratio_before is None else f"x{each.error_ratio_before:.2f}",
            "error": "" if each.error_ratio is None else f"x{each.error_ratio:.2f}",
            "attainment_before": "" if each.attainment_before is None else f"{each.attainment_before:.3f}",
            "attainment": "" if each.attainment is None else f"{each.attainment:.3f}",
        }
        for each in found
        if each.model
    ]
    if models:
        print_table(models, tuple(models[0]), empty="")
    return ExitCode.GOOD


def list_scenarios(args: argparse.Namespace) -> int:
    """Print the scenarios and their shocks."""
    from console.cli.output import print_json, print_table, printable
    from core.domains.stress import fields_set, ladder_step
    from core.stress.choosing import all_scenarios, chosen_scenarios, chosen_severities, stress_engine

    engine = stress_engine(_domain(args))
    found = chosen_scenarios(all_scenarios(engine, args.scenario_files), args.scenarios)
    severities = chosen_severities(args.severities)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "scenario": scenario.name,
            "family": scenario.family,
            "severity": severity,
            "month": step.month,
            "shocks": " ".join(
                f"{name}={printable(value)}" for name, value in fields_set(step.ladder[ladder_step(severity)]).items()
            ),
        }
        for scenario in found
        for severity in severities
        for step in scenario.steps
    ]
    print_table(rows, ("scenario", "family", "severity", "month", "shocks"), empty="no scenarios")
    return ExitCode.GOOD


def check_files(args: argparse.Namespace) -> int:
    """Check files of scenarios."""
    from console.cli.output import print_json, printable
    from core.stress.choosing import stress_engine
    from core.stress.scenario_file import check_scenarios

    engine = stress_engine(_domain(args))
    results = [(path, *check_scenarios(path, engine)) for path in args.files]
    if args.json:
        print_json(
            [
                {"file": str(path), "scenarios": [s.name for s in found], "faults": list(map(str, faults))}
                for path, found, faults in results
            ]
        )
    else:
        for path, found, faults in results:
            for fault in faults:
                print(printable(str(fault)))
            if not faults:
                print(f"{printable(path)}: {', '.join(printable(scenario.name) for scenario in found)}")
    return ExitCode.USAGE if any(faults for _, _, faults in results) else ExitCode.GOOD


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"


def _print_report(report: "StressReport") -> None:
    from console.cli.output import print_table, printable

    print(
        f"{printable(report.portfolio)}: {report.n_instruments:,} instruments, "
        f"{report.market_value:,.1f} {printable(report.value_unit)}"
    )
    rows = [
        {
            "scenario": case.scenario,
            "severity": case.severity,
            "pnl": f"{case.pnl:,.1f}",
            "pnl_share": _percent(case.pnl_share),
            "impact": f"{case.impact:.3f}",
        }
        for case in report.cases
    ]
    print_table(rows, _TABLE, empty="no cases")
    for model in report.models:
        _print_model(model)
    for trained in report.trained:
        _print_trained(trained)
    for note in report.notes:
        print(f"note: {printable(note)}")


def _print_model(model: "ModelUnderStress") -> None:
    """Print a model under each scenario: its figures against the truth, gates, and features beyond their range."""
    from console.cli.output import print_table, printable

    print(f"{printable(model.model)} against the truth of each scenario, {model.n_rows:,} rows")
    rows = []
    for case in (model.calm, *model.cases):
        ratio = model.ratio(case)
        figures = {name: f"{value:.4g}" for name in _FIGURES if (value := case.figures.get(name)) is not None}
        beyond = " ".join(f"{printable(each.name)} {each.share:.0%}" for each in case.beyond[:_BEYOND])
        rows.append(
            {
                "scenario": case.scenario,
                "severity": case.severity,
                **{name: figures.get(name, "") for name in _FIGURES},
                "times": "" if ratio is None else f"{ratio:.2f}",
                "gates": " ".join(case.gates),
                "beyond": beyond,
            }
        )
    shown = [name for name in _FIGURES if any(row[name] for row in rows)]
    columns = ("scenario", "severity", *shown, *(("times",) if "error" in shown else ()), "gates", "beyond")
    print_table(rows, columns, empty="no cases")


def _print_trained(trained: "StressedTraining") -> None:
    """Print what stressed rows in training bought a model under each scenario, and what they cost in calm."""
    from console.cli.output import print_table, printable

    print(
        f"{printable(trained.model)} with {trained.n_stressed:,} of {trained.n_learned:,} training rows under "
        f"scenarios, and without: {trained.words}"
    )
    rows = [
        {
            "scenario": case.scenario,
            "severity": case.severity,
            "learned_rows": f"{case.n_learned:,}",
            "error_without": f"{case.error_without:.4g}",
            "error_with": f"{case.error:.4g}",
            "change": f"{case.change:+.1%}",
            "interval": case.interval_words,
            "verdict": case.verdict,
        }
        for case in (trained.calm, *trained.cases)
    ]
    print_table(rows, tuple(rows[0]), empty="")


def _print_case(case: "StressCase", unit: str, metrics: "tuple[StressMetric, ...]") -> None:
    """Print how a case comes about: by factor, impact, figures, slices, instruments, contagion and months."""
    from console.cli.output import print_table, printable

    print(
        f"{printable(case.key)}: {case.pnl:,.1f} {printable(unit)}, {_percent(case.pnl_share)} in month {case.month:g}"
    )
    factors = [{"factor": name, "pnl": f"{value:,.1f}"} for name, value in case.factors.items()]
    print_table(factors, ("factor", "pnl"), empty="")
    print(f"impact {case.impact:.3f}")
    parts = [
        {"part": part.name, "value": part.value, "cap": part.cap, "weight": part.weight, "points": part.points}
        for part in case.parts
    ]
    print_table(parts, ("part", "value", "cap", "weight", "points"), empty="")
    figures = [
        {"figure": each.title, "value": case.metrics[each.name], "unit": each.unit}
        for each in metrics
        if each.name in case.metrics
    ]
    print_table(figures, ("figure", "value", "unit"), empty="")
    columns = tuple(case.slices[0].metrics) if case.slices else ()
    slices = [
        {"by": each.slicing, "level": each.level, "n": each.n, "value": f"{each.value:,.1f}", **each.metrics}
        for each in case.slices
    ]
    print_table(slices, ("by", "level", "n", "value", *columns), empty="no slices")
    worst = [{"instrument": each.name, "pnl": f"{each.pnl:,.2f}", **each.labels, **each.figures} for each in case.worst]
    if worst:
        print_table(worst, tuple(worst[0]), empty="")
    if case.rounds:
        rounds = [{"round": each.round, "new": each.n_new, "total": each.n_total} for each in case.rounds]
        print_table(rounds, ("round", "new", "total"), empty="")
    path = [{"month": each.month, "pnl": f"{each.pnl:,.1f}", **each.metrics} for each in case.path]
    if len(path) > 1:
        print_table(path, tuple(path[0]), empty="")
