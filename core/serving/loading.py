"""The thread that keeps the serving table in step with the registry.

A version is loaded only after the registry has hashed its files, and takes over only once it has answered its first
rows. Until then the earlier version continues to answer, so a promotion delays no request.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import psutil

from core.alerts.policy_alerts import PolicyAlerts
from core.allocator import return_memory
from core.clock import Clock, utc_now
from core.errors import CoreError
from core.explain.conformal import Conformal, ConformalError
from core.explain.deny_list import NONE_DENIED, DenyList
from core.monitoring.data_profile import DataProfile, ProfileError
from core.registry import ModelVersion, Registry
from core.registry.contents import NO_MODEL
from core.registry.demanded_claims import ClaimDemand
from core.registry.errors import ChangedFileError
from core.serving.errors import UnavailableError
from core.serving.live import LiveCounter
from core.serving.offers import ServedList, ServedOffer, is_listed, offer_of
from core.serving.public_reasons import reason_of
from core.serving.routing import Routings
from core.serving.stats import ServerStats
from core.serving.table import LoadedVersion, ServedModel, ServingTable, VersionKey, no_reason
from core.serving.unserved_alerts import UnservedAlerts
from core.state import ChangeWatch, Workspace
from core.training.version_profile import profile_and_file

log = logging.getLogger(__name__)

DATABASE = "registry"
WATCH_SECONDS = 1.0
RETRY_SECONDS = 30.0
MAX_ON_DEMAND = 4


def _conformal_in(folder: Path, version: str) -> Conformal | None:
    """Return the intervals of a version; None if it has none: a request for one is then refused."""
    try:
        return Conformal.read(folder, version)
    except ConformalError as error:
        log.info("answers have no intervals: %s", error)
        return None


def _memory() -> int:
    """Return the memory of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)


class Loader:
    """Loads the versions that the registry wants served, and publishes them as a table.

    One thread watches and publishes, another loads: rolling traffic back from a candidate must not wait until half a
    gigabyte of another version is loaded.
    """

    def __init__(
        self,
        workspace: Workspace,
        stats: ServerStats,
        publish: Callable[[ServingTable], None],
        *,
        memory_bytes: int = 0,
        listed: ServedList = MappingProxyType({}),
        live: LiveCounter | None = None,
        denied: Callable[[], DenyList] = lambda: NONE_DENIED,
        demand: ClaimDemand | None = None,
        withdrawn: Callable[[], str | None] = no_reason,
        clock: Clock = utc_now,
    ) -> None:
        """Prepare; nothing is loaded before `start`.

        Args:
            workspace: The workspace with the registry.
            stats: The counters of the versions.
            publish: Called with each new table, from the loader's thread.
            memory_bytes: How much the loaded versions may take together; 0 for no limit.
            listed: What to serve, by model; empty: every model of the registry.
            live: Counts the rows that loaded versions answer.
            denied: Returns the columns whose ranges, categories and values no refusal shows.
            demand: The signed claims that a version must have before it is loaded; None: none.
            withdrawn: Says of a replica without a version why it serves nothing.
            clock: The time.
        """
        self._withdrawn = withdrawn
        self._live, self._denied, self._demand = live, denied, demand
        self._workspace = workspace
        self._memory_bytes = memory_bytes
        self._listed = listed
        self._registry = Registry(workspace, clock=clock)
        self._routings = Routings(workspace)
        self._stats = stats
        self._publish = publish
        self._clock = clock
        self._alerts = UnservedAlerts(workspace, clock, lambda model: is_listed(listed, model))
        self._policy = PolicyAlerts(workspace, clock)
        self._table = ServingTable()
        self._loaded: dict[VersionKey, LoadedVersion] = {}
        self._failures: dict[VersionKey, tuple[float, str]] = {}  # time of the attempt, and the error
        self._loading: dict[VersionKey, Future[LoadedVersion]] = {}
        self._on_demand: OrderedDict[VersionKey, None] = OrderedDict()
        self._wishes: dict[VersionKey, list[Future[LoadedVersion]]] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._is_profile_unread = False  # a profile that was made cannot be read now
        self._wake = threading.Event()
        self._worker = ThreadPoolExecutor(1, "serving-loading")
        self._thread = threading.Thread(target=self._run, name="serving-loader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop to watch and to publish; a version that is being loaded at this moment is not waited for."""
        self._stopping = True
        self._wake.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def threads(self) -> list[threading.Thread]:
        """List its threads, of which those that work at this moment outlive `stop`."""
        return [self._thread, *self._worker._threads]

    def ask_for(self, model: str, version: str) -> "Future[LoadedVersion]":
        """Request a version that is registered, but not loaded; the result may be an error."""
        wish: Future[LoadedVersion] = Future()
        with self._lock:
            self._wishes.setdefault((model, version), []).append(wish)
        self._wake.set()
        return wish

    def refresh(self) -> None:
        """Bring the table up to date with the registry and the loaded versions; start to load missing versions."""
        self._routings.read()
        offers = self._offers()
        self._take_loaded()
        self._drop_replaced(offers)
        self._take_profiles()
        wished = self._take_wishes(
            {(name, version.version) for name, offer in offers.items() for version in offer.versions}
        )
        staying = _staying(offers)
        self._evict(staying)
        wanted = staying | self._on_demand
        for key in wanted:
            if key in self._loaded or key in self._loading or not self._may_try(key):
                continue
            if not self._registry.holds_model(*key):
                self._failures[key] = (time.monotonic(), NO_MODEL)
            else:
                self._loading[key] = self._worker.submit(self._load, key)
                self._loading[key].add_done_callback(lambda _: self._wake.set())
        self._loaded = {key: loaded for key, loaded in self._loaded.items() if key in wanted}
        self._failures = {key: failure for key, failure in self._failures.items() if key in wanted}
        self._stats.join_earlier(self._loaded.keys() | self._loading.keys())
        self._announce(offers)
        if self._live is not None:
            self._live.keep(loaded.tap for loaded in self._loaded.values())
        self._settle_wishes(wished)

    def _run(self) -> None:
        watch = ChangeWatch(self._workspace)
        while not self._stopping:
            self._wake.clear()
            self._policy.update()
            try:
                self.refresh()
            except Exception as error:  # whatever the error, a server that answers must continue to answer
                is_bug = not isinstance(error, (CoreError, OSError))
                log.error("registry refresh failed; still serving the loaded versions: %s", error, exc_info=is_bug)
            self._pause(watch)

    def _pause(self, watch: ChangeWatch) -> None:
        """Wait for a change of the registry, a request, a newly loaded version, or the time of a retry."""
        until = time.monotonic() + RETRY_SECONDS
        while not self._wake.is_set():
            if DATABASE in watch.wait(WATCH_SECONDS, self._wake):
                return
            self._policy.update()
            if (self._failures or self._is_profile_unread) and time.monotonic() >= until:
                return

    def _evict(self, staying: dict[VersionKey, None]) -> None:
        """Keep to the memory limit: unload versions that were loaded on request, least recently used first.

        The newest of them stays, since its caller waits for it; so do live versions, labels, and rollouts.
        """
        if not self._memory_bytes:
            return
        spare = sorted(
            (key for key in self._on_demand if key in self._loaded and key not in staying),
            key=lambda key: self._loaded[key].stats.last_used,
        )[:-1]
        n_bytes = sum(loaded.n_bytes for loaded in self._loaded.values())
        for key in spare:
            if n_bytes <= self._memory_bytes:
                return
            n_bytes -= self._loaded.pop(key).n_bytes
            del self._on_demand[key]
            self._stats.n_evicted += 1
            log.info("%s %s is unloaded: the loaded versions were over serving.memory_mib", *key)

    def _offers(self) -> dict[str, ServedOffer]:
        """Say what this server offers of each model that it serves."""
        models = {found.model: found for found in self._registry.models() if is_listed(self._listed, found.model)}
        versions: dict[str, list[ModelVersion]] = {name: [] for name in models}
        for version in self._registry.versions_in_brief():
            if version.model in versions:
                versions[version.model].append(version)
        return {
            name: offer_of(
                model,
                versions[name],
                self._listed.get(name),
                aliases=self._registry.aliases(name),
                arms=self._routings.versions(name),
                arm_labels=self._routings.labels(name),
            )
            for name, model in models.items()
        }

    def _load(self, key: VersionKey) -> LoadedVersion:
        from core.serving.scoring.warming import warm_scorer  # two seconds of imports that only loading needs

        model, version = key
        begin, bytes_before = time.monotonic(), _memory()
        found = self._registry.get(model, version)  # before its files: what replaces it meanwhile is loaded again
        if self._demand:
            self._demand.require(found, self._registry.claims_of(found), self._clock())
        with self._registry.opened(model, version) as folder:
            scorer = warm_scorer(folder)
            scorer.signature.denied = self._denied
            profile, made, conformal = None, "", None
            if not scorer.signature.writes_texts:  # which has neither, and misses neither
                profile, made = self._profile(key)
                conformal = _conformal_in(folder, f"{model} {version}")
            stats = self._stats.of(model, version)
            tap = self._live.tap(model, version, scorer, profile, stats) if self._live is not None else None
            n_file_bytes = sum(file.stat().st_size for file in folder.rglob("*"))
        seconds = time.monotonic() - begin
        # Memory that an earlier version has given back is used again without growth, so the files are the least.
        n_bytes = max(_memory() - bytes_before, n_file_bytes)
        return_memory()  # what reading and warming took for a moment, and what the version before it has left
        log.info("%s %s is loaded and warm after %.2f s", model, version, seconds)
        return LoadedVersion(
            model,
            version,
            scorer,
            stats,
            loaded_at=self._clock(),
            seconds=seconds,
            n_bytes=n_bytes,
            profile=profile,
            made_profile=made,
            tap=tap,
            conformal=conformal,
            manifest_sha256=found.manifest_sha256,
        )

    def _profile(self, key: VersionKey) -> tuple[DataProfile | None, str]:
        """Return the profile of a version, and the hash of one that was made later; None if it has none.

        Without one no slices are recorded, and no rows counted.
        """
        try:
            profile, file = profile_and_file(self._registry, *key)
        except (ProfileError, ChangedFileError) as error:
            log.info("predictions are recorded without slices: %s", error)
            return None, ""
        return profile, "" if file.made is None else file.sha256

    def _take_profiles(self) -> None:
        """Take up the profiles that were made, or replaced, since their versions were loaded."""
        self._is_profile_unread = False
        for key, loaded in list(self._loaded.items()):
            wanted = self._registry.made_profile(*key)
            if wanted is None or wanted.sha256 == loaded.made_profile:
                continue
            profile, made = self._profile(key)
            if profile is None:
                self._is_profile_unread = True
                continue
            tap = self._live.tap(*key, loaded.scorer, profile, loaded.stats) if self._live is not None else None
            self._loaded[key] = loaded.with_profile(profile, made, tap)
            log.info("%s %s is counted and recorded by the profile that was made for it", *key)

    def _take_loaded(self) -> None:
        for key in [key for key, future in self._loading.items() if future.done()]:
            future = self._loading.pop(key)
            if (error := future.exception()) is None:
                self._loaded[key] = future.result()
                self._failures.pop(key, None)
            else:  # artifacts are not trusted: a fault in one must not keep the others from being served
                self._failures[key] = (time.monotonic(), reason_of(error, self._workspace.root))
                log.error(
                    "%s %s could not be loaded: %s", *key, error, exc_info=not isinstance(error, CoreError) and error
                )

    def _drop_replaced(self, offers: Mapping[str, ServedOffer]) -> None:
        """Let go of what was loaded from other files than those that the registry has under the same number now.

        No registration does that. A replica takes the version of its desk in place of one that was registered on it.
        """
        for name, offer in offers.items():
            for version in offer.versions:
                loaded = self._loaded.get((name, version.version))
                if loaded is not None and loaded.manifest_sha256 != version.manifest_sha256:
                    del self._loaded[name, version.version]
                    log.warning("%s %s has other files now than those that were loaded", name, version.version)

    def _may_try(self, key: VersionKey) -> bool:
        tried = self._failures.get(key)
        return tried is None or time.monotonic() - tried[0] >= RETRY_SECONDS

    def _take_wishes(self, registered: set[VersionKey]) -> list[VersionKey]:
        with self._lock:
            wished = list(self._wishes)
        for key in wished:
            if key in registered and key not in self._on_demand:
                self._failures.pop(key, None)
                self._on_demand[key] = None
            if key in registered:
                self._on_demand.move_to_end(key)
        for key in [key for key in self._on_demand if key not in registered]:
            del self._on_demand[key]
        while len(self._on_demand) > MAX_ON_DEMAND:
            self._on_demand.popitem(last=False)
        return wished

    def _settle_wishes(self, wished: list[VersionKey]) -> None:
        """Answer the requests whose version is loaded, has failed, or must not be loaded.

        Args:
            wished: The requests taken into account; later requests wait for the next round.
        """
        with self._lock:
            settled = {key: self._wishes.pop(key) for key in wished if key not in self._loading}
        for key, wishes in settled.items():
            for wish in wishes:
                if not wish.set_running_or_notify_cancel():
                    continue
                if (loaded := self._loaded.get(key)) is not None:
                    wish.set_result(loaded)
                else:
                    _, why = self._failures.get(key, (0.0, "too many versions are requested at the same time"))
                    wish.set_exception(UnavailableError(f"{key[0]} {key[1]} cannot be loaded: {why}."))

    def _announce(self, offers: Mapping[str, ServedOffer]) -> None:
        served = {name: self._served(offer, self._table.models.get(name)) for name, offer in offers.items()}
        is_complete = self._table.is_complete or not self._loading
        self._table = ServingTable(
            models=MappingProxyType(served),
            is_complete=is_complete,
            is_read=True,
            unregistered=tuple(name for name in self._listed if name not in offers),
            withdrawn=no_reason if any(offer.versions for offer in offers.values()) else self._withdrawn,
        )
        self._publish(self._table)
        self._alerts.update(self._table)

    def _served(self, offer: ServedOffer, before: ServedModel | None) -> ServedModel:
        name = offer.model.model
        loaded = {number: version for (of, number), version in self._loaded.items() if of == name}
        labels, waiting = {}, {}
        for label, number in offer.labels.items():
            if number in loaded:
                labels[label] = number
            elif before is not None and (kept := before.labels.get(label)) in loaded:
                labels[label] = str(kept)  # a label moves only once its version can answer
            else:
                waiting[label] = number
        default = loaded.get(offer.live or "")
        if default is None and offer.live is not None and before is not None and before.default is not None:
            default = loaded.get(before.default.version)
        return ServedModel(
            model=name,
            registered=MappingProxyType({version.version: version.stage for version in offer.versions}),
            versions=MappingProxyType(loaded),
            labels=MappingProxyType(labels),
            waiting=MappingProxyType(waiting),
            loading=frozenset(number for of, number in self._loading if of == name),
            failures=MappingProxyType({number: why for (of, number), (_, why) in self._failures.items() if of == name}),
            live=offer.live,
            is_pinned=offer.is_pinned,
            unregistered=offer.unregistered,
            is_kept_as_files=self._is_kept_as_files(offer),
            default=default,
            routing=self._routings.routing(name, loaded),
        )

    def _is_kept_as_files(self, offer: ServedOffer) -> bool:
        """Whether no version of a live model is for this program to serve."""
        name = offer.model.model
        if offer.live is None or self._registry.holds_model(name, offer.live):
            return False
        return not any(self._registry.holds_model(name, version.version) for version in offer.versions)


def _staying(offers: Mapping[str, ServedOffer]) -> dict[VersionKey, None]:
    """List the versions to load unasked: defaults first, then labels, and the version to roll back to."""
    wanted: dict[VersionKey, None] = {}
    for name, offer in offers.items():
        wanted |= dict.fromkeys((name, number) for number in [*offer.arms, *filter(None, [offer.live])])
    for name, offer in offers.items():
        wanted |= dict.fromkeys((name, number) for number in [*offer.labels.values(), *offer.kept])
    return wanted
