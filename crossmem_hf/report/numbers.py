# SPDX-License-Identifier: Apache-2.0
"""How a number is written for a reader. It does not know where the number stands."""

from crossmem_hf.report.record import Measurement


def percent(proportion: float) -> str:
    """A proportion as a whole percentage, with one decimal where rounding would hide that it is not 0 or 100.

    Example:
        >>> percent(0.493), percent(0.004), percent(0.998), percent(1.0)
        ('49%', '0.4%', '99.8%', '100%')
    """
    near_the_end = 0 < proportion < 0.01 or 0.99 < proportion < 1
    return f"{100 * proportion:.{int(near_the_end)}f}%"


def fixed(number: float, digits: int) -> str:
    """The number with so many decimals, a real minus sign, and no sign where it rounds to zero."""
    text = f"{number:.{digits}f}".replace("-", "−")
    return text.removeprefix("−") if not text.strip("−0.") else text


def amount(m: Measurement) -> str:
    """The value as a reader wants it: a percentage, points of a gap, or the number with its unit's precision."""
    if m.metric == "gap":
        return f"{fixed(100 * m.value, 0)} points"
    if m.unit == "proportion":
        return percent(m.value)
    return fixed(m.value, 0) if m.unit == "0-100" else significant(m.value)


def interval(m: Measurement) -> str:
    """The 95 % interval in the scale of `amount`, e.g. ``"43 to 56"``, unbreakable, with the mark of few
    seeds; empty without one."""
    if m.ci is None:
        return ""
    scale = 100 if m.unit == "proportion" else 1
    low, high = (fixed(scale * end, 0) if m.unit in ("proportion", "0-100") else significant(end) for end in m.ci)
    return f"{low}\u00a0to\u00a0{high}{m.seeds_mark}"


def significant(number: float) -> str:
    """Three digits; of what is next to nothing only the order.

    Example:
        >>> significant(12.345), significant(0.5), significant(3e-7)
        ('12.3', '0.5', '3e-07')
    """
    return f"{number:.0e}" if 0 < abs(number) < 1e-4 else f"{number:.3g}"


def whole(m: Measurement, number: float) -> str:
    """A number on the scale of a measurement without decimals: a proportion in percent, anything else as it is."""
    return f"{100 * number if m.unit == 'proportion' else number:.0f}"


def joined(parts: list[str]) -> str:
    """The parts as an English list.

    Example:
        >>> joined(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
