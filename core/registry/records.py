"""The registry's tables: reading models, versions and transitions, with errors that name the choices."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from core.registry.documents import (
    FORMER_KEYS,
    MADE_PROFILES,
    FormerModelKey,
    MadeProfile,
    ModelVersion,
    PrunedVersion,
    RegisteredModel,
    Transition,
    transition_key,
)
from core.registry.errors import ModelNotFoundError, VersionNotFoundError
from core.registry.move_packs import TABLE as MOVE_PACKS
from core.registry.move_packs import MovePack, numbers_to_pack, pack_key
from core.registry.numbering import SemanticVersion, checked_model_name, version_key
from core.state import Workspace
from core.state.generation import FileSignature

DATABASE = "registry"


class Records:
    """Typed access to the one file that holds the registry; inside a transaction, the transaction's own view."""

    def __init__(self, workspace: Workspace) -> None:
        self.database = workspace.database(DATABASE)
        self.models = self.database.documents("models", RegisteredModel, "model")
        self.versions = self.database.documents("versions", ModelVersion, "key")
        self._sorted: tuple[FileSignature, list[ModelVersion]] | None = None  # of the last generation read
        self.transitions = self.database.documents("transitions", Transition, "key")
        self.packs = self.database.documents(MOVE_PACKS, MovePack, "key")
        self.pruned = self.database.documents("pruned", PrunedVersion, "key")
        self.former_keys = self.database.documents(FORMER_KEYS, FormerModelKey, "fingerprint")
        self.made_profiles = self.database.documents(MADE_PROFILES, MadeProfile, "key")

    def model(self, name: str) -> RegisteredModel:
        """Return a model.

        Raises:
            ModelNotFoundError: Nothing was registered under this name.
        """
        if (model := self.models.find(checked_model_name(name))) is None:
            raise ModelNotFoundError(name, sorted(model.model for model in self.models.all()))
        return model

    def version(self, model: str, number: str) -> ModelVersion:
        """Return a version of a model.

        Raises:
            ModelNotFoundError: Nothing was registered under this name.
            VersionNotFoundError: The model has no such version; the message names the newest.
        """
        if (version := self.versions.find(version_key(model, number))) is None:
            self.model(model)
            raise VersionNotFoundError(model, number, self.numbers_of(model))
        return version

    def versions_of(self, model: str | None) -> list[ModelVersion]:
        """Return the versions of one model, or of all, by model and ascending number; no other is read."""
        if model is None:
            return list(self._in_order())
        return sorted(self.versions.listed(self._keys_of(model)), key=_order)

    def numbers_of(self, model: str) -> list[str]:
        """Return the numbers of a model's versions, ascending, without reading a version."""
        return sorted((key.partition("/")[2] for key in self._keys_of(model)), key=SemanticVersion.parse)

    def _keys_of(self, model: str) -> list[str]:
        beginning = f"{model}/"
        return [key for key in self.versions.all_keys() if key.startswith(beginning)]

    def transitions_of(self, model: RegisteredModel, *, after: int = 0) -> list[Transition]:
        """Return the moves of a model's versions, ascending, from those numbered above `after`.

        Moves in packs come without their gates, which would take most of the memory.
        """
        return list(self._moves(model, range(after + 1, model.revision + 1), packed_gates=False))

    def newest_transitions_of(self, model: RegisteredModel, most: int) -> list[Transition]:
        """Return the last moves of a model's versions, descending; no other is read."""
        return list(islice(self.moves_of(model), most))

    def moves_of(self, model: RegisteredModel) -> Iterator[Transition]:
        """Yield the moves of a model's versions, descending, as far as somebody asks: archived ones in brief."""
        return self._moves(model, range(model.revision, 0, -1))

    def pack_older_moves(self) -> int:
        """Put the older moves of every model into packs, inside a transaction.

        Returns:
            How many moves are in a pack now that were not before.
        """
        known = set(self.packs.all_keys())
        packs: list[MovePack] = []
        for model in self.models.all():
            for numbers in numbers_to_pack(model.revision):
                if (key := pack_key(model.model, numbers[-1])) in known:
                    continue
                found = (self.transitions.find(transition_key(model.model, number)) for number in numbers)
                if moves := tuple(move for move in found if move is not None):
                    packs.append(MovePack(key=key, model=model.model, moves=moves))
        if packs:
            self.packs.insert_all(packs)
            self.transitions.remove_all([move.key for pack in packs for move in pack.moves])
        return sum(len(pack.moves) for pack in packs)

    def _moves(
        self, model: RegisteredModel, numbers: Sequence[int], *, packed_gates: bool = True
    ) -> Iterator[Transition]:
        """Yield moves by their numbers, in their order, each from its own document or from its pack."""
        own = self.transitions.found(transition_key(model.model, number) for number in numbers)
        following = next(own, None)
        key, packed = "", dict[int, Transition]()
        for number in numbers:
            if following is not None and following.number == number:
                yield following
                following = next(own, None)
                continue
            if key != (wanted := pack_key(model.model, number)):
                pack = next(self.packs.found([wanted]), None)  # later than `own`: what has left there is here
                key, packed = wanted, {} if pack is None else {move.number: move for move in pack.moves}
            if (move := packed.get(number)) is not None:
                yield move if packed_gates else msgspec.structs.replace(move, gates=())

    def _in_order(self) -> list[ModelVersion]:
        if self.database.in_transaction:
            return sorted(self.versions.all(), key=_order)
        signature = self.database.signature()  # taken before the read: at worst, the next read sorts once more
        if self._sorted is None or self._sorted[0] != signature:
            self._sorted = signature, sorted(self.versions.all(), key=_order)
        return self._sorted[1]


def _order(version: ModelVersion) -> tuple[str, SemanticVersion]:
    return version.model, SemanticVersion.parse(version.version)
