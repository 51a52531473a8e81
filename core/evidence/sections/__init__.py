"""The sections of a pack, from recorded facts alone, and its annex; what is not recorded is said as missing."""

from core.evidence.pack import EvidenceSection, SectionStatus
from core.evidence.sections.annex import annex
from core.evidence.sections.changes import changes, monitoring_plan, validation
from core.evidence.sections.identity import identity, limitations, method, regulatory_map
from core.evidence.sections.making import data, development, implementation
from core.evidence.sections.results import benchmarks, calibration, explainability, performance, stability, stress
from core.evidence.subject import Subject

_AFTER_THE_MAP = (
    data,
    method,
    development,
    performance,
    calibration,
    stability,
    stress,
    explainability,
    benchmarks,
    limitations,
    implementation,
    monitoring_plan,
    validation,
    changes,
)


def sections_of(subject: Subject) -> tuple[EvidenceSection, ...]:
    """Return the sixteen sections, in the order of their numbers, and the annex where there are drafts."""
    first = identity(subject)
    others = [section(subject) for section in _AFTER_THE_MAP]
    statuses: dict[int, SectionStatus] = {section.number: section.status for section in (first, *others)}
    return (first, regulatory_map(subject, statuses), *others, *filter(None, [annex(subject)]))
