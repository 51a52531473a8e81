"""The agents of a session: what each of them trains, by the settings. Light: imports no learner."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from core.domains.catalogue import algorithms_of
from core.domains.domain import SessionDomain
from core.errors import UsageError
from core.escape import shown
from core.models.algorithms import MEMBERS, is_installed
from core.settings import ModelSettings, TrainingSettings
from core.settings.agents import AgentLimits, AgentsSettings
from core.training.agents.agent import Agent
from core.training.session_domain import checked, domain_of
from core.training.specialism import specialisms_of

KINDS = ("model", "algorithm")
STACK = "stack"
"""The agent that stacks the algorithms of the others."""
REST = "rest"
"""The agent of the models that no agent by algorithm trains."""

AgentModels = Mapping[str, ModelSettings]


@dataclass(frozen=True, slots=True)
class PlannedAgent:
    """An agent, and the settings of its session."""

    agent: Agent
    settings: TrainingSettings


def agents_of(settings: TrainingSettings) -> tuple[PlannedAgent, ...]:
    """Plan the agents of a session; none where the settings name none.

    Args:
        settings: As `checked` returns them: with the models to train.
    Raises:
        UsageError: The settings divide by something else, name an unknown model or algorithm, or limit an agent that
            there is not; or those of one agent are refused.
    """
    block = settings.agents
    if not block.by:
        return ()
    slices = specialisms_of(domain_of(settings))
    if block.by not in (*KINDS, *slices):
        raise UsageError(f"agents.by is {shown(block.by)}: expected {' or '.join((*KINDS, *slices))}.")
    if block.by in slices:
        made = _by_slice(settings, slices[block.by])
    else:
        made = _by_model(settings) if block.by == "model" else _by_algorithm(settings)
    if unknown := next((name for name in block.limits if name not in made), None):
        raise UsageError(f"agents.limits names {shown(unknown)}, which is no agent here. The agents: {_told(made)}.")
    return tuple(
        _planned(
            name,
            models,
            _trying_a_stack(settings, made) if block.by == "algorithm" and name == STACK else settings,
            only={block.by: name} if block.by in slices else {},
        )
        for name, models in made.items()
    )


def _trying_a_stack(settings: TrainingSettings, made: Iterable[str]) -> TrainingSettings:
    """Let a session stack the algorithms of the other agents, and ship the stack only where it is shown to be better.

    As an algorithm of its own a stack would be chosen by its score on the validation panel alone.
    """
    members = tuple(name for name in made if name not in (STACK, REST))
    return replace(settings, ensemble=replace(settings.ensemble, enable_stacking=True, base_models=members))


def _planned(name: str, models: AgentModels, settings: TrainingSettings, *, only: Mapping[str, str]) -> PlannedAgent:
    limits = settings.agents.limits.get(name, AgentLimits())
    memory = limits.memory_limit_mb or settings.trainer.memory_limit_mb
    own = replace(
        settings,
        models=dict(models),
        only={**settings.only, **only},
        agents=AgentsSettings(),
        trainer=replace(settings.trainer, memory_limit_mb=memory),
    )
    agent = Agent(
        name=name,
        priority=limits.priority,
        weight=limits.weight,
        nice=limits.nice,
        memory_limit_mb=memory,
        cpu_limit=limits.cpu_limit,
    )
    return PlannedAgent(agent, checked(own))


def _by_model(settings: TrainingSettings) -> dict[str, AgentModels]:
    names = settings.agents.of or tuple(settings.models)
    _require(names, settings.models, "a model of this session", "models")
    made: dict[str, AgentModels] = {name: {name: settings.models[name]} for name in names}
    if rest := {name: model for name, model in settings.models.items() if name not in names}:
        made[REST] = rest
    return made


def _by_slice(settings: TrainingSettings, values: tuple[str, ...]) -> dict[str, AgentModels]:
    by = settings.agents.by
    if by in settings.only:
        raise UsageError(f"agents.by is {by}, and only.{by} leaves one of them: set one of the two.")
    _require(settings.agents.of, values, f"a {by}", f"values of {by}")
    return dict.fromkeys(settings.agents.of or values, settings.models)


def _by_algorithm(settings: TrainingSettings) -> dict[str, AgentModels]:
    domain = domain_of(settings)
    offered = {name: algorithms_of(name, domain) for name in settings.models}
    known = tuple(name for name in MEMBERS if any(name in algorithms for algorithms in offered.values()))
    names = settings.agents.of or tuple(filter(is_installed, known))
    _require(names, known, "an algorithm of these models", "algorithms")
    made: dict[str, AgentModels] = {name: _with_algorithm(name, settings, domain) for name in names}
    covered = dict.fromkeys(model for models in made.values() for model in models)
    if settings.agents.stack:
        if len(names) < 2:
            raise UsageError("agents.stack needs two algorithms or more to stack. Name them in agents.of.")
        stacked: AgentModels = {
            model: own if (own := settings.models[model]).algorithm in names else ModelSettings(algorithm=names[0])
            for model in covered
            if {"stacking", *names} <= set(offered[model])
        }
        if not stacked:
            raise UsageError(f"agents.stack: no model offers stacking of all of {_told(names)}. Leave stack out.")
        made[STACK] = stacked
    if rest := {name: model for name, model in settings.models.items() if name not in covered}:
        made[REST] = rest
    return made


def _with_algorithm(algorithm: str, settings: TrainingSettings, domain: SessionDomain) -> AgentModels:
    """Give the models that offer an algorithm this algorithm, with their own parameters if it is theirs already."""
    return {
        name: model if model.algorithm == algorithm else ModelSettings(algorithm=algorithm)
        for name, model in settings.models.items()
        if algorithm in algorithms_of(name, domain)
    }


def _require(names: Iterable[str], known: Iterable[str], what: str, plural: str) -> None:
    known = tuple(known)
    for place, name in enumerate(names):
        if name not in known:
            raise UsageError(f"agents.of[{place}] is {shown(name)}, which is not {what}. The {plural}: {_told(known)}.")


def _told(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
