"""`printf` of Go's templates: the verbs, flags, widths and arguments of its package fmt."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from core.promql.errors import PromqlError
from core.promql.go_time import go_syntax, raw_parts
from core.promql.go_values import QueryResult, TemplateStruct, go_type, shortest, shown, text_of_type

MOST_WIDTH: Final = 1_000_000
"""As Go: a longer width or precision is none."""
MOST_CHARACTERS: Final = 1_048_576
_DIRECTIVE: Final = re.compile(
    r"%(?P<flags>[#0+\- ]*)(?P<width>(?:\[\d+\])?\*|\d+)?(?P<dot>\.(?P<precision>(?:\[\d+\])?\*|\d*))?"
    r"(?P<index>\[\d+\])?(?P<verb>.)?",
    re.DOTALL,
)
_ESCAPES: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_BASES: Final = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES: Final = {"b": "0b", "o": "0", "x": "0x", "X": "0X"}


@dataclass(slots=True)
class _Spec:
    """One directive, its stars filled in."""

    verb: str
    flags: str
    width: int | None
    precision: int | None

    def has(self, flag: str) -> bool:
        """Whether a flag is given; `-` takes `0` away, as in Go."""
        return flag in self.flags and not (flag == "0" and "-" in self.flags)

    def padded(self, text: str, *, zeros: bool = True) -> str:
        """Return a text in its width."""
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if self.has("-"):
            return text + " " * missing
        return ("0" if zeros and self.has("0") else " ") * missing + text


class _Arguments:
    """The arguments, and which is next."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.at = 0
        self.is_reordered = False
        self.is_good = True

    def number(self, written: str) -> None:
        """Go to the argument of `[n]`."""
        self.is_reordered = True
        number = int(written[1:-1][:9])
        self.is_good = 1 <= number <= len(self.values)
        if self.is_good:
            self.at = number - 1

    def star(self, written: str) -> int | None:
        """Take a width or a precision; None if it is no whole number."""
        if written != "*":
            self.number(written[:-1])
        if not self.is_good or self.at >= len(self.values):
            return None
        value = self.values[self.at]
        self.at += 1
        return value if type(value) is int and abs(value) <= MOST_WIDTH else None


def go_format(form: str, values: list[Any]) -> str:
    """Format values as Go's `Sprintf`; what does not fit is marked in the text, as Go marks it.

    Args:
        form: The text with verbs.
        values: The arguments.
    Raises:
        PromqlError: The text would be too long.

    >>> go_format("%[2]s is %.1[1]f", [2.25, "x"])
    'x is 2.2'
    """
    given = _Arguments(values)
    parts: list[str] = []
    at = n_characters = 0
    while at < len(form):
        start = form.find("%", at)
        if start < 0:
            start = len(form)
        parts.append(form[at:start])
        if start == len(form):
            break
        found = _DIRECTIVE.match(form, start)
        assert found is not None
        parts.append(_directive(found, given))
        at = found.end()
        n_characters += len(parts[-1])
        if n_characters > MOST_CHARACTERS:
            raise PromqlError(f"printf writes more than {MOST_CHARACTERS} characters.")
    if not given.is_reordered and given.at < len(values):
        extra = ", ".join(_typed(value) for value in values[given.at :])
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _directive(found: "re.Match[str]", given: _Arguments) -> str:
    given.is_good = True
    marks, flags = "", found["flags"]
    width = precision = None
    if found["width"] is not None:
        if found["width"].endswith("*"):
            width = given.star(found["width"])
            marks += "" if width is not None else "%!(BADWIDTH)"
            if width is not None and width < 0:
                width, flags = -width, flags + "-"
        elif int(found["width"][:8]) <= MOST_WIDTH:
            width = int(found["width"][:8])
    if found["dot"] is not None:
        if found["precision"].endswith("*"):
            precision = given.star(found["precision"])
            if precision is None or precision < 0:
                precision, marks = None, marks + "%!(BADPREC)"
        elif int(found["precision"][:8] or 0) <= MOST_WIDTH:
            precision = int(found["precision"][:8] or 0)
    if found["index"] is not None:
        given.number(found["index"])
    verb = found["verb"]
    if verb is None:
        return f"{marks}%!(NOVERB)"
    if verb == "%":
        return f"{marks}%"
    if not given.is_good:
        return f"{marks}%!{verb}(BADINDEX)"
    if given.at >= len(given.values):
        return f"{marks}%!{verb}(MISSING)"
    value = given.values[given.at]
    given.at += 1
    if verb == "v":  # there, + and # ask for the names of fields and for the syntax of Go
        flags = flags.replace("+", "N").replace("#", "V")
    spec = _Spec(verb, flags, width, precision)
    return marks + _formatted(value, spec)


def _formatted(value: Any, spec: _Spec) -> str:
    if spec.verb == "T":
        return spec.padded("<nil>" if value is None else go_type(value)[: spec.precision])
    if value is None:
        return spec.padded("<nil>") if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
    written = _of_kind(value, spec)
    if written is not None:
        return written
    as_usual = _of_kind(value, replace(spec, verb="v"), has_text=False)
    return f"%!{spec.verb}({go_type(value)}={as_usual})"


def _of_kind(value: Any, spec: _Spec, *, has_text: bool = True) -> str | None:
    """Write a value by its kind; None if the verb does not fit.

    Args:
        value: The value, not None.
        spec: The directive.
        has_text: Whether a type's own text is used, as for all but a verb that does not fit.
    """
    if has_text and (own := text_of_type(value)) is not None:
        if isinstance(value, datetime) and spec.has("V"):
            return spec.padded(go_syntax(value))
        if spec.verb in "vsqxX" and not spec.has("V"):
            return _text(own, spec)
    if isinstance(value, bool):
        return spec.padded("true" if value else "false") if spec.verb in "tv" else None
    if isinstance(value, int):
        return _whole(value, spec)
    if isinstance(value, float):
        return _float(value, spec)
    if isinstance(value, str):
        return _text(value, spec)
    if isinstance(value, datetime):
        return f"{{{' '.join(_formatted(part, spec) for part in raw_parts(value))}}}"
    separator = ", " if spec.has("V") else " "
    if isinstance(value, TemplateStruct):
        has_names = spec.has("V") or spec.has("N")
        of_fields = [
            f"{f'{name}:' if has_names else ''}{_formatted(each, spec)}" for name, each in value.fields.items()
        ]
        return f"{value.type_name if spec.has('V') else ''}{{{separator.join(of_fields)}}}"
    if isinstance(value, Mapping):
        pairs = separator.join(f"{_formatted(name, spec)}:{_formatted(value[name], spec)}" for name in sorted(value))
        return f"{go_type(value)}{{{pairs}}}" if spec.has("V") else f"map[{pairs}]"
    if isinstance(value, list):
        items = separator.join(_formatted(one, spec) for one in value)
        return f"{go_type(value)}{{{items}}}" if spec.has("V") else f"[{items}]"
    if isinstance(value, QueryResult) and spec.verb in "vs":
        return spec.padded(shown(value))
    return None


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{go_type(value)}={shown(value)}"


def _whole(value: int, spec: _Spec) -> str | None:
    verb = "d" if spec.verb == "v" else spec.verb
    if verb == "c":
        return spec.padded(_character(value))
    if verb == "q":
        return spec.padded(quoted(_character(value), "'", is_ascii=spec.has("+")))
    if verb == "U":
        written = f"U+{value & 0xFFFFFFFFFFFFFFFF:0{max(4, spec.precision or 0)}X}"
        if spec.has("#") and _character(value).isprintable() and 0 <= value < 0x110000:
            written += f" '{_character(value)}'"
        return spec.padded(written, zeros=False)
    if verb not in _BASES:
        return None
    digits = f"{abs(value):{_BASES[verb]}}"
    sign = "-" if value < 0 else "+" if spec.has("+") else " " if spec.has(" ") else ""
    prefix = "0o" if verb == "O" else _PREFIXES.get(verb, "") if spec.has("#") else ""
    least = spec.precision
    if least is None and spec.has("0") and spec.width is not None:
        least = spec.width - len(sign)
    elif least == 0 and value == 0:
        return " " * (spec.width or 0)
    digits = digits.rjust(least or 0, "0")
    if verb in "oO" and spec.has("#"):
        prefix = prefix.removesuffix("0") + ("" if digits.startswith("0") else "0")
    return spec.padded(sign + prefix + digits, zeros=False)


def _character(code: int) -> str:
    return chr(code) if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000 else "\N{REPLACEMENT CHARACTER}"


def _float(value: float, spec: _Spec) -> str | None:
    verb, digits = "g" if spec.verb == "v" else spec.verb, spec.precision
    if verb not in "eEfFgGbxX":
        return None
    plus, space = spec.has("+"), spec.has(" ")
    is_negative = math.copysign(1, value) < 0 and not math.isnan(value)
    sign = "-" if is_negative else "+" if plus else " " if space else ""
    if not math.isfinite(value):
        return spec.padded(f"{sign}NaN" if math.isnan(value) else f"{sign or '+'}Inf", zeros=False)
    number = _digits(abs(value), verb, digits, is_alternate=spec.has("#"))
    if sign and spec.has("0") and spec.width is not None:
        return sign + number.rjust(spec.width - 1, "0")
    return spec.padded(sign + number, zeros=not sign)


def _digits(value: float, verb: str, digits: int | None, *, is_alternate: bool) -> str:
    """Write a number that is not negative."""
    if verb in "xX":
        written = _hexadecimal(value, digits, is_alternate=is_alternate, is_padded=is_alternate and verb == "x")
        return written.upper() if verb == "X" else written
    if verb == "b":
        share, exponent_of_two = math.frexp(value)
        if not value:
            return "0p-1074"
        return f"{int(share * 2**53)}p{exponent_of_two - 53:+d}"
    if verb in "gG" and digits is None:
        written = shortest(value)
        if is_alternate:
            mantissa, mark, exponent = written.partition("e")
            missing = 6 - max(1, len(mantissa.replace(".", "").lstrip("0")))
            written = mantissa + ("" if "." in mantissa else ".") + "0" * missing + mark + exponent
        return written.upper() if verb == "G" else written
    alternate = "#" if is_alternate else ""
    most = 6 if digits is None else digits
    try:
        return f"{value:{alternate}.{most}{verb}}"
    except ValueError:  # more digits than Python formats
        raise PromqlError(f"printf writes no number with {most} digits.") from None


def _hexadecimal(value: float, digits: int | None, *, is_alternate: bool, is_padded: bool) -> str:
    share, exponent = math.frexp(value)
    bits, exponent = int(share * 2**53), exponent - 1 if value else 0  # 53 bits, the first of which is set
    n_digits = 13 if digits is None else min(digits, 13)
    unit = 1 << (52 - 4 * n_digits)
    bits, rest = divmod(bits, unit)
    bits += rest * 2 > unit or (rest * 2 == unit and bits & 1)
    if bits >> (4 * n_digits) > 1:
        bits, exponent = bits >> 1, exponent + 1
    whole, part = divmod(bits, 1 << (4 * n_digits))
    fraction = f"{part:0{n_digits}x}" if n_digits else ""
    fraction = fraction.rstrip("0") if digits is None else fraction.ljust(digits, "0")
    fraction = fraction.ljust(4, "0") if digits is None and is_padded else fraction
    return f"0x{whole}{'.' if fraction or is_alternate else ''}{fraction}p{exponent:+03d}"


def _text(value: str, spec: _Spec) -> str | None:
    verb = spec.verb
    if verb == "v" and spec.has("V"):
        return spec.padded(quoted(value, '"'))
    if verb in "vs":
        return spec.padded(value if spec.precision is None else value[: spec.precision])
    if verb == "q":
        cut = value if spec.precision is None else value[: spec.precision]
        if spec.has("#") and "`" not in cut and not re.search(r"[\x00-\x08\x0a-\x1f\x7f\ufeff]", cut):
            return spec.padded(f"`{cut}`")
        return spec.padded(quoted(cut, '"', is_ascii=spec.has("+")))
    if verb in "xX":
        content = value.encode("utf-8", "surrogatepass")
        content = content if spec.precision is None else content[: spec.precision]
        bytes_ = [f"{each:02{verb}}" for each in content]
        prefix = f"0{verb}" if spec.has("#") else ""
        if spec.has(" "):
            return spec.padded(" ".join(prefix + each for each in bytes_))
        return spec.padded((prefix if bytes_ else "") + "".join(bytes_))
    return None


def quoted(text: str, quote: str, *, is_ascii: bool = False) -> str:
    """Quote a text as Go's `strconv.Quote` does."""
    parts = []
    for character in text:
        if character in (quote, "\\"):
            parts.append(f"\\{character}")
        elif character in _ESCAPES:
            parts.append(_ESCAPES[character])
        elif (character.isascii() or not is_ascii) and character.isprintable():
            parts.append(character)
        elif ord(character) < 0x80:
            parts.append(f"\\x{ord(character):02x}")
        else:
            code = ord(character)
            parts.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return quote + "".join(parts) + quote
