"""Why a version may or may not be promoted: every gate with its value, limit, samples and reason."""

from console.presentation.gates import gate_lines
from core.registry import Plan
from widgets.glyphs import Glyphs
from widgets.line import Line, section


def promotion_lines(plan: Plan, glyphs: Glyphs) -> list[Line]:
    """Write out what a promotion by one step would be judged by, and who may decide otherwise.

    Args:
        plan: What promoting the version would do now.
        glyphs: The signs of this terminal.
    """
    if plan.to_stage is None:
        return [Line(((plan.refusal or "There is no stage above.", "muted"),))]
    verdict = (f"{glyphs.passed} may", "good") if plan.allowed else (f"{glyphs.failed} may not", "bad")
    lines = [Line((verdict, (f" go from {plan.from_stage} to {plan.to_stage}", "strong")))]
    if plan.refusal and not plan.gates:
        lines.append(Line(((f"  {plan.refusal}", ""),)))
    lines += gate_lines(plan.gates, glyphs, explained=True) if plan.gates else []
    lines += [Line(((warning, "warn"),)) for warning in plan.warnings]
    if plan.gates:
        rules = f"bondx registry policy {plan.model} prints the limits; they are changed in the policy."
        return [*lines, *section("Who may override", (f"Nobody at promotion. {rules}",))]
    return lines
