"""The agents that settings ask for, and what is refused before anything is queued."""

import pytest

from core.errors import UsageError
from core.settings import ModelSettings, TrainingSettings
from core.settings.agents import AgentLimits, AgentsSettings
from core.training.agents.plan import agents_of
from core.training.session_domain import checked


def planned(**agents):
    models = {"spread": ModelSettings(algorithm="linear", parameters={"strength": 2.0}), "anomaly": ModelSettings()}
    return agents_of(checked(TrainingSettings(models=models, agents=AgentsSettings(**agents))))


def models_of(agents):
    return {each.agent.name: {name: model.algorithm for name, model in each.settings.models.items()} for each in agents}


def test_settings_without_agents_plan_none():
    assert agents_of(checked(TrainingSettings())) == ()


def test_an_agent_for_each_model_keeps_its_algorithm_and_has_no_agents_of_its_own():
    agents = planned(by="model")

    assert models_of(agents) == {"spread": {"spread": "linear"}, "anomaly": {"anomaly": "auto"}}
    assert agents[0].settings.models["spread"].parameters == {"strength": 2.0}
    assert all(each.settings.agents == AgentsSettings() for each in agents)


def test_models_that_are_not_named_are_trained_by_the_rest():
    assert models_of(planned(by="model", of=("anomaly",))) == {
        "anomaly": {"anomaly": "auto"},
        "rest": {"spread": "linear"},
    }


def test_an_agent_for_each_algorithm_a_stack_of_them_and_the_models_that_offer_none():
    agents = planned(by="algorithm", of=("linear", "lightgbm"), stack=True)

    assert models_of(agents) == {
        "linear": {"spread": "linear"},
        "lightgbm": {"spread": "lightgbm"},
        "stack": {"spread": "linear"},
        "rest": {"anomaly": "auto"},
    }
    settings = [each.settings.models.get("spread") for each in agents]
    assert settings[0].parameters == {"strength": 2.0}
    assert settings[2].parameters == {"strength": 2.0}
    tries = [each.settings.ensemble.enable_stacking for each in agents]
    assert tries == [False, False, True, False]
    assert agents[2].settings.ensemble.base_models == ("linear", "lightgbm")


def test_limits_are_those_of_the_agent_and_its_memory_is_that_of_its_process():
    agents = planned(
        by="model", limits={"spread": AgentLimits(priority=3, weight=2.0, memory_limit_mb=4096, cpu_limit=1.5)}
    )

    spread, anomaly = (each.agent for each in agents)
    assert (spread.priority, spread.weight, spread.niceness, spread.memory_limit_mb) == (3, 2.0, 7, 4096)
    assert (anomaly.priority, anomaly.weight, anomaly.niceness, anomaly.memory_limit_mb) == (0, 1.0, 10, 0)
    assert [each.settings.trainer.memory_limit_mb for each in agents] == [4096, 0]
    assert (spread.cpu_limit, anomaly.cpu_limit) == (1.5, 0.0)
    with pytest.raises(ValueError, match=r"cpu_limit is 0\.001; it must be 0, or 0\.01 of a processor or more"):
        AgentLimits(cpu_limit=0.001)


def test_an_agent_for_each_sector_trains_every_model_on_its_rows():
    agents = planned(by="sector", of=("banks", "autos"), limits={"autos": AgentLimits(priority=1)})

    assert [(each.agent.name, each.agent.priority, each.settings.only) for each in agents] == [
        ("banks", 0, {"sector": "banks"}),
        ("autos", 1, {"sector": "autos"}),
    ]
    assert all(list(each.settings.models) == ["spread", "anomaly"] for each in agents)


def test_all_commodities_have_an_agent_where_none_is_named():
    settings = checked(TrainingSettings(domain="etrm", agents=AgentsSettings(by="commodity")))

    assert [each.agent.name for each in agents_of(settings)][:3] == ["POWER", "GAS_TTF", "GAS_HH"]


def test_a_session_of_a_sector_is_not_divided_by_sectors():
    settings = checked(TrainingSettings(only={"sector": "banks"}, agents=AgentsSettings(by="sector")))

    with pytest.raises(UsageError, match=r"only\.sector leaves one of them"):
        agents_of(settings)


@pytest.mark.parametrize(
    ("agents", "problem"),
    [
        pytest.param({"by": "sector", "of": ("bank",)}, r"'bank', which is not a sector.*: sovereign,", id="sector"),
        pytest.param({"by": "desk"}, r"agents.by is 'desk': expected model or algorithm or sector", id="unknown kind"),
        pytest.param({"by": "model", "of": ("spred",)}, r"agents.of\[0\] is 'spred'.*: spread, anomaly\.", id="model"),
        pytest.param({"by": "algorithm", "of": ("forest",)}, r"agents.of\[0\] is 'forest'.*linear", id="algorithm"),
        pytest.param({"by": "model", "limits": {"linear": AgentLimits()}}, r"'linear', which is no agent", id="limit"),
        pytest.param(
            {"by": "algorithm", "of": ("linear",), "stack": True}, "needs two algorithms or more", id="stack of one"
        ),
    ],
)
def test_agents_that_cannot_be_are_refused_with_those_that_can(agents, problem):
    with pytest.raises(UsageError, match=problem):
        planned(**agents)


@pytest.mark.parametrize(
    ("agents", "problem"),
    [
        pytest.param({"of": ("spread",)}, "need by", id="of without by"),
        pytest.param({"by": "model", "stack": True}, "stack is for by: algorithm", id="stack of models"),
        pytest.param({"by": "model", "of": ("spread", "spread")}, "spread twice", id="twice"),
    ],
)
def test_a_block_that_contradicts_itself_is_refused(agents, problem):
    with pytest.raises(ValueError, match=problem):
        AgentsSettings(**agents)
