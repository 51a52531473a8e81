"""The agent that stacks the others' algorithms ships its stack only where the whole interval is above zero."""

from core.settings import ModelSettings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.training.agents.plan import STACK, agents_of
from core.training.session_domain import checked
from core.training.session_work import SessionWork


def test_a_stack_of_agents_ships_by_the_verdict_that_every_ensemble_needs(tmp_path):
    agents = AgentsSettings(by="algorithm", of=("linear", "lightgbm"), stack=True)
    models = {"spread": ModelSettings(algorithm="linear")}
    settings = checked(TrainingSettings(max_epochs=1, dataset_size=300, models=models, agents=agents))
    (stack,) = [each for each in agents_of(settings) if each.agent.name == STACK]
    work = SessionWork(stack.settings, tmp_path)
    work.run_epoch(1)
    final = work.finish()

    (model,), (verdict,) = final.models, final.ensembles
    assert (verdict.model, verdict.strategy) == ("spread", "stacking")
    assert {each.member for each in verdict.members} == {"linear", "lightgbm"}
    assert verdict.ships is (verdict.low is not None and verdict.low > 0)
    assert (model.way == "ensemble") is verdict.ships
