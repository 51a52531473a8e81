"""One search: what is tried, what is pruned, and that an interruption changes nothing."""

import math
from functools import partial

import pytest

from core.errors import UsageError
from core.executors.threads import ThreadExecutor
from core.executors.work import Work
from core.models.tuning.halving import rungs, survivors
from core.models.tuning.ranges import NumberRange, ValueList, drawn, grid, number_range
from core.models.tuning.search import BATCH, Search, SearchPlan, scored
from core.models.tuning.trial import Trial, TrialState, best_of

RANGES = {
    "rate": NumberRange(0.01, 1.0, is_log=True),
    "leaves": NumberRange(1, 64, is_log=True, is_whole=True),
    "kind": ValueList(("a", "b", "c")),
}
GIVEN = {"rate": 0.9, "leaves": 60, "kind": "c", "fixed": 7}
FOLD_ROWS = (10, 10, 10, 10, 10)
METHODS = ("grid_search", "random_search", "bayesian")


def search(method="random_search", *, n_trials=14, prunes=True, seed=3, ranges=RANGES, given=GIVEN):
    if method == "bayesian":
        pytest.importorskip("optuna")
    return Search(SearchPlan(method, ranges, given, n_trials, prunes, seed))


def loss(parameters, fold):
    """Lowest at a rate of 0.1, 8 leaves and kind a; the folds differ more than the trials do."""
    bowl = (math.log10(parameters["rate"]) + 1) ** 2 + 0.3 * math.log2(parameters["leaves"] / 8) ** 2
    return bowl + 0.5 * "abc".index(parameters["kind"]) + 10.0 * fold


def in_threads(evaluate, *, n_threads=2):
    work = Work(title="trials", here=lambda task: scored(evaluate, *task))
    return partial(ThreadExecutor(n_threads).map, work)


def ended(one, evaluate=loss, *, n_threads=1):
    trials = []
    while not one.is_done(trials):
        trials += one.run_batch(trials, in_threads(evaluate, n_threads=n_threads), fold_rows=FOLD_ROWS)
    return trials


@pytest.mark.parametrize("method", METHODS)
def test_the_trials_depend_on_the_seed_and_not_on_the_threads(method):
    one, again = ended(search(method)), ended(search(method), n_threads=4)

    assert one == again
    if method != "grid_search" or search(method).n_trials < 49:
        assert one != ended(search(method, seed=4))


@pytest.mark.parametrize("method", METHODS)
def test_trial_0_is_the_recipe_of_the_settings_and_is_scored_on_every_fold(method):
    trials = ended(search(method))

    assert [trial.number for trial in trials] == list(range(15))
    assert trials[0].parameters == GIVEN
    assert trials[0].state is TrialState.COMPLETE
    assert all(trial.parameters["fixed"] == 7 for trial in trials)


def test_the_bayesian_search_comes_closer_than_the_random_one():
    def found(method, seed):
        return best_of(ended(search(method, n_trials=40, seed=seed))).loss

    gaps = [found("random_search", seed) - found("bayesian", seed) for seed in range(6)]

    assert sum(gap > 0 for gap in gaps) >= 5, gaps


def test_a_pruned_trial_was_behind_half_of_those_that_came_as_far():
    trials = ended(search(n_trials=39))
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]

    assert len(pruned) > len(trials) // 2
    assert sum(len(trial.losses) for trial in trials) < 0.6 * 5 * len(trials)
    for trial in pruned:
        n = len(trial.curve)
        known = [each.curve[n - 1] for each in trials[: trial.number // BATCH * BATCH + BATCH] if len(each.curve) >= n]
        assert sum(each < trial.curve[-1] for each in known) >= len(known) // 2 - 1
        assert f"after {n} of 5 folds" in trial.why
    assert best_of(trials).state is TrialState.COMPLETE


def test_without_pruning_every_trial_is_scored_on_every_fold():
    assert {len(trial.losses) for trial in ended(search(prunes=False))} == {5}


@pytest.mark.parametrize("method", ["random_search", "bayesian"])
@pytest.mark.parametrize("left_after", range(1, 9))
def test_a_killed_search_goes_on_to_the_same_trials(method, left_after):
    whole = ended(search(method))
    kept = []

    class KilledError(BaseException):
        pass

    def keep(trial):
        if len(kept) == left_after:
            raise KilledError
        kept.append(trial)

    one, trials = search(method), []

    def run():
        while True:
            trials.extend(one.run_batch(trials, in_threads(loss), fold_rows=FOLD_ROWS, keep=keep))

    with pytest.raises(KilledError):
        run()

    again, known = search(method), sorted(kept, key=lambda trial: trial.number)
    n_whole = len(trials)
    found = known[:n_whole]
    again_kept = []
    found += again.run_batch(
        found, in_threads(loss), fold_rows=FOLD_ROWS, keep=again_kept.append, known=known[n_whole:]
    )
    assert not {trial.number for trial in known} & {trial.number for trial in again_kept}
    while not again.is_done(found):
        found += again.run_batch(found, in_threads(loss), fold_rows=FOLD_ROWS)
    assert found == whole


def test_parameters_that_were_scored_are_not_trained_again():
    calls = []

    def evaluate(parameters, fold):
        calls.append((parameters["x"], fold))
        return float(parameters["x"])

    trials = ended(search("grid_search", ranges={"x": ValueList((1, 2, 3, 4, 5, 6))}, given={"x": 1}), evaluate)

    assert len(trials) == 7
    assert len(calls) == len(set(calls))  # trial 1 has the parameters of trial 0


def test_a_trial_that_cannot_be_trained_costs_itself_alone():
    def evaluate(parameters, fold):
        if parameters["kind"] == "b":
            raise ValueError("b is not possible")
        return math.inf if parameters["kind"] == "a" else loss(parameters, fold)

    trials = ended(search(n_trials=20), evaluate)

    failed = {trial.parameters["kind"]: trial.why for trial in trials if trial.state is TrialState.FAILED}
    assert failed == {"a": "the loss is not a finite number", "b": "b is not possible"}
    assert best_of(trials).parameters["kind"] == "c"


def test_a_grid_within_the_budget_is_tried_in_order_and_a_larger_one_at_random_nodes():
    small = ended(search("grid_search", ranges={"x": ValueList((1, 2, 3))}, given={"x": 2}), lambda own, _: own["x"])
    large = ended(search("grid_search", ranges=RANGES), loss)

    assert [trial.parameters["x"] for trial in small] == [2, 1, 2, 3]
    nodes = grid(RANGES)
    own = [{name: trial.parameters[name] for name in RANGES} for trial in large[1:]]
    assert len(own) == 14
    assert all(point in nodes for point in own)
    assert own != nodes[:14]


def test_a_random_search_over_few_combinations_tries_none_twice():
    ranges = {"x": ValueList(tuple(range(5))), "y": ValueList((True, False))}

    trials = ended(search(ranges=ranges, given={"x": 0, "y": True}, n_trials=30), lambda own, _: own["x"])

    own = [tuple(trial.parameters.values()) for trial in trials[1:]]
    assert len(own) == len(set(own)) == 10


def test_a_logarithmic_interval_is_drawn_by_order_of_magnitude():
    import numpy as np

    rng = np.random.default_rng(0)
    values = [drawn({"x": NumberRange(0.001, 1.0, is_log=True)}, rng)["x"] for _ in range(2_000)]

    assert 0.28 < np.mean(np.array(values) < 0.01) < 0.39
    assert min(values) >= 0.001
    assert max(values) <= 1.0


@pytest.mark.parametrize(
    ("low", "high", "is_log", "told"),
    [
        pytest.param(3, 1, False, "low must be a number not above high", id="the wrong way round"),
        pytest.param(0.0, 1.0, True, "with log it must be above 0", id="no logarithm of zero"),
        pytest.param(0.0, math.inf, False, "from 0.0 to inf", id="endless"),
    ],
)
def test_a_wrong_interval_is_refused_by_name(low, high, is_log, told):
    with pytest.raises(UsageError, match=rf"parameter_ranges\.depth.*{told}"):
        number_range("depth", low, high, is_log=is_log)


def test_a_grid_without_end_is_refused():
    with pytest.raises(UsageError, match="has 1000000 combinations"):
        grid({name: ValueList(tuple(range(10))) for name in "abcdef"})


def test_the_last_rung_is_every_fold():
    assert [rungs(n) for n in (1, 2, 3, 4, 5, 9)] == [
        (1,),
        (1, 2),
        (1, 2, 3),
        (1, 2, 4),
        (1, 2, 4, 5),
        (1, 2, 4, 8, 9),
    ]


def test_of_equal_losses_the_first_ones_go_on():
    earlier = [Trial(number=k, parameters={}, state=TrialState.PRUNED, losses=(1.0,), curve=(1.0,)) for k in range(4)]

    assert survivors(1, {4: 1.0, 5: 1.0, 6: 0.9, 7: 1.0}, earlier) == {6}


def test_the_recipe_of_the_settings_takes_no_other_trial_s_place():
    assert survivors(1, {0: 0.1, 1: 0.5, 2: 0.4, 3: 0.6}, []) == {1, 2}
    assert survivors(2, {0: 0.1, 1: 0.5, 2: 0.4}, []) == {2}
    assert survivors(4, {0: 0.1, 2: 0.4}, []) == {2}


def test_no_finite_loss_has_no_best_trial():
    assert best_of([Trial(number=0, parameters={}, state=TrialState.FAILED)]) is None
