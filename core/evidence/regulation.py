"""The clauses that a pack speaks to, each with the section that answers it; a map, and no opinion on compliance.

Sources: SR 26-2 / OCC Bulletin 2026-13 / FIL-15-2026 (17 April 2026), which supersedes SR 11-7; BCBS CRE36, MAR32-33;
IFRS 9 and IFRS 7.35A-35N; Directive 2014/65/EU (MiFID II), RTS 2, RTS 6; BCBS 239; PRA SS1/23; Regulation (EU)
2024/1689 (AI Act), Article 12 and Annexes III and IV.
"""

from typing import NamedTuple


class Clause(NamedTuple):
    """A clause, what it asks for, and the sections that answer it."""

    regime: str
    clause: str
    asks: str
    sections: tuple[int, ...]


CLAUSES: tuple[Clause, ...] = (
    Clause("SR 26-2", "Risk tier", "materiality by exposure and purpose, with its reason", (1,)),
    Clause(
        "SR 26-2", "Development", "purpose, theory, data, assumptions, testing (SR 11-7 section IV)", (1, 3, 4, 5, 6)
    ),
    Clause("SR 26-2", "Validation", "independent review, outcomes analysis (SR 11-7 section V)", (7, 8, 9, 11, 15)),
    Clause("SR 26-2", "Monitoring", "thresholds, triggers, ongoing performance (SR 11-7 section V)", (8, 14)),
    Clause("SR 26-2", "Governance", "inventory, approvals, changes (SR 11-7 section VI)", (1, 15, 16)),
    Clause(
        "PRA SS1/23", "Principles 1-5", "identification, governance, development, validation, mitigants", (1, 4, 12, 15)
    ),
    Clause("BCBS 239", "Principles 3-4", "accuracy, integrity and completeness of data", (3,)),
    Clause("Basel III", "CRE36 documentation", "design, operation and limits of a rating system", (4, 5, 12)),
    Clause("Basel III", "CRE36 validation", "annual validation, back-testing of PD, LGD, EAD", (7, 8, 15)),
    Clause("Basel III", "CRE36 overrides", "a log of overrides", (12, 16)),
    Clause("Basel III", "MAR32-33", "back-testing and P&L attribution of market risk", (9,)),
    Clause("IFRS 9", "5.5.3, 5.5.17", "significant increase in risk; probability-weighted, forward-looking", (6, 9)),
    Clause("IFRS 9", "IFRS 7.35A-35N", "disclosure of inputs, assumptions and changes", (3, 4, 16)),
    Clause("MiFID II", "Art. 17, RTS 6", "testing and control of algorithms that trade on a signal", (13, 14)),
    Clause("MiFID II", "RTS 2", "liquidity classes and transparency flags of instruments", (3,)),
    Clause("MiFID II", "Art. 16(6)", "records that allow the supervisor to follow what was done", (16,)),
)

AI_ACT: tuple[Clause, ...] = (
    Clause("EU AI Act", "Annex IV 1", "purpose, versions, and how the system is meant to be used", (1,)),
    Clause("EU AI Act", "Annex IV 2(a)-(c)", "methods, design choices, assumptions, computing", (4, 5)),
    Clause("EU AI Act", "Annex IV 2(d)", "provenance, scope, selection and cleaning of the data", (3,)),
    Clause("EU AI Act", "Annex IV 2(e)", "measures of human oversight (Article 14)", (10, 14, 16)),
    Clause("EU AI Act", "Annex IV 2(f)", "changes that were planned from the start", (14, 16)),
    Clause("EU AI Act", "Annex IV 2(g)", "tests: accuracy, robustness, effects on groups", (6, 7, 8, 9, 11)),
    Clause("EU AI Act", "Annex IV 2(h)", "measures of cybersecurity", (13,)),
    Clause("EU AI Act", "Annex IV 3", "capabilities, limits and foreseeable risks", (6, 12)),
    Clause("EU AI Act", "Annex IV 4", "why the metrics fit", (6, 7)),
    Clause("EU AI Act", "Annex IV 5", "the system of risk management (Article 9)", (9, 12)),
    Clause("EU AI Act", "Annex IV 6", "changes through its life", (16,)),
    Clause("EU AI Act", "Annex IV 9", "monitoring after it is in use (Article 72)", (14,)),
    Clause("EU AI Act", "Article 12", "records of what the system did", (16,)),
)
"""What the technical documentation of a high-risk system holds. Of points 7 and 8 no section speaks."""
