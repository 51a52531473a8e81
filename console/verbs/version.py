"""Verbs about models and their versions: promote, roll back, undo, archive, compare, lineage."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from console.presentation.keys import sign_of
from console.presentation.offer import Offer
from console.verbs.chosen import Chosen
from console.verbs.offer import OfferContext
from console.verbs.several import carry_out_each
from console.verbs.stage_move import move_lines, offer_move, typed_version
from console.verbs.verb import Argument, Change, Command, Key, Noun, ScreenAction, Verb
from core.errors import UsageError
from core.registry.stages import Stage, reachable
from core.registry.stages import TransitionVerb as Move
from widgets.line import Line, section

if TYPE_CHECKING:
    from console.context import ConsoleControls
    from core.registry import ModelVersion, Plan, Registry
    from core.view.snapshot import Snapshot


class VersionName(NamedTuple):
    """A version by its number; the registry checks that it exists."""

    model: str
    version: str


def _numbers(snapshot: "Snapshot", before: Sequence[str]) -> list[str]:
    model, *others = before
    return [v.version for v in snapshot.versions if v.model == model and v.version not in others]


def _stage(word: str) -> Stage:
    for stage in Stage:
        if stage.lower() == word.lower():
            return stage
    raise UsageError(f"There is no stage {word}. Stages to choose from: {', '.join(Stage)}.")


MODEL_WORD = Argument("MODEL", lambda snapshot, _: [model.model for model in snapshot.models])
VERSION_WORD = Argument("VERSION", _numbers)
STAGE_WORD = Argument("STAGE", lambda _snapshot, _before: reachable(Move.PROMOTE), read=_stage)

MODEL: Noun[str] = Noun(
    group="registry", arguments=(MODEL_WORD,), missing="No model is selected.", find=lambda _snapshot, words: words[0]
)


class ModelRow(NamedTuple):
    """A model whose versions have moved, and the version that its row is about; empty for a row about the model."""

    model: str
    version: str = ""


MOVED: Noun[ModelRow] = Noun(
    group="registry",
    arguments=(MODEL_WORD,),
    missing="No model is selected.",
    find=lambda _snapshot, words: ModelRow(words[0]),
)
VERSION: Noun[VersionName] = Noun(
    group="registry",
    arguments=(MODEL_WORD, VERSION_WORD),
    missing="No version is selected.",
    find=lambda _snapshot, words: VersionName(*words),
)


VERSIONS: Noun[Chosen[VersionName]] = Noun(
    group="registry",
    arguments=(),
    missing="No version is selected.",
    find=lambda _snapshot, words: Chosen(things=(VersionName(*words),)),
)
"""The marked versions that are shown, or the version under the cursor."""


class Promote(Change[VersionName]):
    """Move a version one stage up."""

    name = "promote"
    noun = VERSION
    key = Key("P", "promote", "Promote the version one stage (asks first)")
    command = Command("promote a version one stage", options=(STAGE_WORD,))

    def offered(self, app: "ConsoleControls", thing: VersionName) -> bool:
        """Offer it for versions below Production."""
        version = app.newest.version(*thing)
        return super().offered(app, thing) and version is not None and version.stage is not Stage.PRODUCTION

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer the move that the registry plans."""
        (stage,) = options or (None,)
        return offer_move(context, lambda registry: registry.plan_promotion(*thing, stage, actor=context.actor))


class RollBack(Change[str]):
    """Return a model to the version that was live before."""

    name = "rollback"
    noun = MODEL
    command = Command("roll back to the version that was live before")

    def offered(self, app: "ConsoleControls", thing: str) -> bool:
        """Offer it for models with an earlier live version."""
        has_earlier = any(model.model == thing and model.previous_production for model in app.newest.models)
        return super().offered(app, thing) and has_earlier

    def offer(self, context: OfferContext, thing: str, *options: Any) -> Offer:
        """Offer the rollback that the registry plans."""
        return offer_move(context, lambda registry: registry.plan_rollback(thing))


class Undo(Change[ModelRow]):
    """Undo the last change of a model's stages."""

    name = "undo"
    noun = MOVED
    on = ("overview", "registry", "drift")
    key = Key("U", "undo", "Undo the last change of the model's stages; again: the one before (asks first)")
    command = Command("undo the last change of a model's stages")

    def offered(self, app: "ConsoleControls", thing: ModelRow) -> bool:
        """Offer it for models whose versions have moved."""
        return super().offered(app, thing) and bool(app.newest.history(thing.model))

    def offer(self, context: OfferContext, thing: ModelRow, *options: Any) -> Offer:
        """Offer the undo that the registry plans; say first if it is of another version than that of the row."""
        from core.registry import Registry

        offered = offer_move(context, lambda registry: registry.plan_undo(thing.model))
        if not thing.version or offered.refusal is not None:
            return offered
        moved = [change.version for change in Registry(context.workspace).plan_undo(thing.model).changes]
        if not moved or thing.version in moved:
            return offered
        told = f"The last change of {thing.model} was of {' and '.join(moved)}, not of {thing.version}."
        return replace(offered, lines=(Line(((told, "warn"),)), *offered.lines))


ROLL_BACK, UNDO = RollBack(), Undo()


class ArchiveVersion(Change[VersionName]):
    """Archive a version."""

    name = "archive"
    noun = VERSION
    command = Command("archive a version")

    def offered(self, app: "ConsoleControls", thing: VersionName) -> bool:
        """Offer it for versions that are not archived yet."""
        version = app.newest.version(*thing)
        return super().offered(app, thing) and version is not None and version.stage is not Stage.ARCHIVED

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer the move that the registry plans."""
        return offer_move(context, lambda registry: registry.plan_archive(*thing))


class ArchiveMarked(Change[Chosen[VersionName]]):
    """Archive the marked versions, or the version under the cursor."""

    name = "archive_marked"
    noun = VERSIONS
    key = Key("X", "archive", "Archive the version, or the marked versions (asks first)")

    def offer(self, context: OfferContext, thing: Chosen[VersionName], *options: Any) -> Offer:
        """Offer the moves that the registry plans; of several versions, what cannot be archived is left out."""
        if len(thing.things) == 1:
            return self._offer_alone(context, thing)
        from core.registry import Registry

        registry = Registry(context.workspace)
        planned = [registry.plan_archive(*name) for name in thing.things]
        plans = [plan for plan in planned if _left_out(plan) is None]
        left_out = [reason for plan in planned if (reason := _left_out(plan)) is not None]
        n_moved: Counter[str] = Counter()
        done: list[Plan] = []

        def apply(plan: "Plan", reason: str) -> None:
            # A move of an earlier one of them raises the model's revision, and makes no other of these plans stale.
            expected = plan.expected_revision + n_moved[plan.model]
            registry.apply(
                msgspec.structs.replace(plan, expected_revision=expected), actor=context.actor, reason=reason
            )
            n_moved[plan.model] += 1

        def commit(reason: str) -> str:
            names = carry_out_each(
                plans, lambda plan: f"{plan.model} {plan.version}", lambda plan: apply(plan, reason), done
            )
            return f"Archived {names}."

        lines = [line for plan in plans or planned for line in move_lines(plan, context.glyphs)]
        return Offer(
            title=f"Archive {thing.counted('version', len(plans or planned))}",
            lines=(
                *lines,
                *thing.spared_lines(),
                *section("Left out", left_out if plans else ()),
                *(_consequences(plans) if plans else ()),
            ),
            confirm="Archive",
            refusal=None if plans else " ".join(left_out),
            commit=commit,
            settle=lambda: thing.end([VersionName(plan.model, plan.version) for plan in done]),
        )

    @staticmethod
    def _offer_alone(context: OfferContext, thing: Chosen[VersionName]) -> Offer:
        """Offer the move of a single version, which may be live."""
        offer = ARCHIVE.offer(context, thing.things[0])
        done: list[VersionName] = []

        def commit(reason: str) -> str:
            sentence = offer.commit(reason) if offer.commit else ""
            done.extend(thing.things)
            return sentence

        return replace(
            offer, lines=(*thing.spared_lines(), *offer.lines), commit=commit, settle=lambda: thing.end(done)
        )


def _left_out(plan: "Plan") -> str | None:
    """Say why a version is not archived together with others; None if it is."""
    if not plan.allowed:
        return plan.refusal or f"{plan.model} {plan.version} cannot be archived."
    return f"{plan.model} {plan.version} is live; archive it alone." if typed_version(plan) else None


def _consequences(plans: Sequence["Plan"]) -> list[Line]:
    """Say what the moves of several versions lead to, and how each version comes back."""
    models = {plan.model: None for plan in plans}
    return [
        *section("What will happen", [effect for plan in plans for effect in plan.effects]),
        *section("How to undo it", [_way_back(model, plans) for model in models]),
    ]


def _way_back(model: str, plans: Sequence["Plan"]) -> str:
    """Say how the versions of one model come back: each undo takes back one move of the model under the cursor."""
    undo = sign_of("registry.undo")
    numbers = [plan.version for plan in reversed(plans) if plan.model == model]
    if len(numbers) == 1:
        return f"{undo} on a version of {model} undoes it."
    return f"{undo} on a version of {model}, {len(numbers)} times, undoes it: {', then '.join(numbers)}."


ARCHIVE, ARCHIVE_MARKED = ArchiveVersion(), ArchiveMarked()


class Release(Change[VersionName]):
    """Let a quarantined version be tried again."""

    name = "release"
    noun = VERSION
    command = Command("let a quarantined version be tried again")

    def offered(self, app: "ConsoleControls", thing: VersionName) -> bool:
        """Offer it for quarantined versions."""
        return super().offered(app, thing) and app.newest.quarantine_of(*thing) is not None

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer the release, with the reason of the quarantine."""
        from core.registry import Registry

        registry = Registry(context.workspace)
        version = registry.get(*thing)
        name = f"{version.model} {version.version}"
        found = next((found for found in registry.quarantined() if found.key == version.key), None)
        problem = found.problem if found else ""

        def commit(reason: str) -> str:
            registry.release(version.model, version.version, actor=context.actor, reason=reason)
            return f"{name} is released; the next load tries it again."

        return Offer(
            title=f"Release {name}",
            lines=(
                Line(((f"{name}  ", "strong"), (f"{context.glyphs.failed} quarantined: {problem}", "bad"))),
                *section(
                    "What will happen",
                    (
                        "The next process that loads it tries it first, in a child with limits.",
                        "If it fails there again, it is quarantined again, with an alert.",
                    ),
                ),
            ),
            confirm="Release",
            refusal=None if found else f"{name} is not quarantined.",
            commit=commit,
        )


RELEASE = Release()


def _becomes(registry: "Registry", ensemble: "ModelVersion", member: str) -> str:
    """Say what a member becomes, also where it is registered already."""
    from core.registry.members import MemberOf, member_of

    own = MemberOf(ensemble.key, member)
    known = [each.version for each in registry.versions(ensemble.model) if member_of(each) == own]
    becomes = f"the next version of {ensemble.model}, in Development, and answers as it does in the ensemble"
    if not known:
        return f"The member becomes {becomes}."
    return (
        f"{ensemble.model} {known[-1]} is this member already: nothing is changed, unless its files differ now. "
        f"Then it becomes {becomes}."
    )


class RegisterMember(Change[VersionName]):
    """Register a member of an ensemble as a version of its own."""

    name = "member"
    noun = VERSION
    command = Command(
        "register a member of an ensemble as a version, to compare the two",
        options=(Argument("MEMBER"),),
        n_required=1,
    )

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer the member; core measures it when it is registered."""
        from core.registry import Registry
        from core.settings import settings_in_force
        from core.training.member_versions import refusal_of_member, register_member

        (member,) = options
        registry, workspace = Registry(context.workspace), context.workspace
        version = registry.get(*thing)
        name = f"{version.model} {version.version}"

        def commit(reason: str) -> str:
            found = register_member(
                workspace,
                version.model,
                version.version,
                member,
                settings_in_force(workspace.root),
                actor=context.actor,
                reason=reason,
            )
            return f"{found.told()}. {found.measured}"

        return Offer(
            title=f"Register {member} of {name}",
            lines=(
                Line(((f"{member}  ", "strong"), (f"a member of {name}", "muted"))),
                *section(
                    "What will happen",
                    (
                        _becomes(registry, version, member),
                        "It is measured on the test panels of the session that trained the ensemble, if there are any.",
                    ),
                ),
            ),
            confirm="Register",
            refusal=refusal_of_member(registry, *thing, member),
            commit=commit,
        )


REGISTER_MEMBER = RegisterMember()


class Diff(Verb[VersionName]):
    """Compare two versions of a model."""

    name = "diff"
    noun = VERSION
    command = Command("compare two versions", options=(VERSION_WORD,), n_required=1)

    def do(self, app: "ConsoleControls", thing: VersionName, *options: Any) -> None:
        """Show them side by side."""
        from console.dialogs.compare import compare_versions

        compare_versions(app, *thing, *options)


class Lineage(Verb[None]):
    """Draw the lineage of a version."""

    name = "lineage"
    command = Command("the lineage of a version, as a graph", options=(MODEL_WORD, VERSION_WORD))

    def do(self, app: "ConsoleControls", thing: None, *options: Any) -> Any:
        """Go to the registry and draw the lineage; without a version that of the row under the cursor."""
        from console.navigation import open_lineage

        model, version = (*options, None, None)[:2]
        if model is not None:
            version = _known_version(app.snapshot, model, version)
        return open_lineage(app, model, version)


def _known_version(snapshot: "Snapshot", model: str, word: str | None) -> str | None:
    from core.registry import ModelNotFoundError, VersionNotFoundError

    versions = [version.version for version in snapshot.versions if version.model == model]
    if not versions:
        raise ModelNotFoundError(model, [known.model for known in snapshot.models])
    aliases = {f"@{alias.alias}": alias.version for alias in snapshot.aliases if alias.model == model}
    version = aliases.get(word or "", word)
    if version is not None and version not in versions:
        raise VersionNotFoundError(model, version, versions)
    return version


TREE = ScreenAction(
    "tree",
    Key("t", "tree", "Draw the lineage of the version; t or Esc returns to the list"),
    noun=VERSION,
)
COMPARE = ScreenAction(
    "compare", Key("c", "compare", "Compare the two marked versions, or the row with the live version"), noun=VERSION
)
FOLD = ScreenAction("fold", Key("f", "fold", "Show one line for each model, or every version again"), on=("registry",))
ONLY_LIVE = ScreenAction("only_live", Key("o", "only live", "Show only live versions, or all again"), on=("registry",))
MARK = ScreenAction(
    "mark",
    Key("space", "mark", "Mark a version, to compare two or archive several; Esc clears", sign="Space"),
    noun=VERSION,
)
MARK_ALL = ScreenAction(
    "mark_all",
    Key("asterisk", "mark all", "Mark every version shown that is neither live nor archived; again: none", sign="*"),
    noun=VERSION,
    on=("registry",),
)
