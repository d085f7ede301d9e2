"""What pictures of numbers share: a frame, its axes with round numbers, lines and colours.

There is a picture for each clinic, protocol and rule that something can be seen of, so they are
written out as SVG here: a drawing library takes a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from markupsafe import Markup

INK, QUIET, ACCENT, RED, GREEN = "#17222c", "#54616d", "#17567f", "#9c1616", "#1b5c34"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 624, 62, 584, 10, 214
_GRID, _LINE = "#edf1f4", "#8795a1"
_STEPS, _LEAST_STEP = 5, 0.01


@dataclass(frozen=True)
class Axis:
    """Round numbers in order, and where the first and last of them stand in the picture."""

    ticks: Sequence[float]
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value stands."""
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(self.start + share * (self.end - self.start), 1)


def upward(values: Sequence[float]) -> Axis:
    """An axis up the left side that holds all values."""
    return Axis(_ticks(values), BOTTOM, TOP)


def rightward(values: Sequence[float]) -> Axis:
    """An axis along the bottom that holds all values."""
    return Axis(_ticks(values), LEFT, RIGHT)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, about five, from at or below the least value to at or above the greatest."""
    low, high = min(values), max(values)
    if low == high:
        low, high = min(0.9 * high, high), max(0.9 * high, high) or 0.1
    rough = max((high - low) / _STEPS, _LEAST_STEP)
    power = 10.0 ** floor(log10(rough))
    step = power * next(times for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(at * step, 10) for at in range(first, max(last, first + 1) + 1)]


def drawn_upward(y: Axis, name: str, shown: Callable[[float], str]) -> str:
    """The axis with a line across at each number; `shown` writes one."""
    lines = "".join(f"M{LEFT} {y(tick)}H{RIGHT}" for tick in y.ticks)
    words = "".join(
        f'<text x="{LEFT - 6}" y="{y(tick) + 4.5:.1f}">{escape(shown(tick))}</text>'
        for tick in y.ticks
    )
    turned = (
        f'<text transform="translate(12 {(TOP + BOTTOM) / 2})rotate(-90)">{escape(name)}</text>'
    )
    return (
        f'<path d="{lines}" stroke="{_GRID}"/><g font-size="13" fill="{QUIET}">'
        f'<g text-anchor="end">{words}</g><g text-anchor="middle">{turned}</g></g>'
    )


def drawn_rightward(places: Sequence[tuple[float, str]], name: str = "") -> str:
    """The axis along the bottom, with words at some places."""
    lines = "".join(f"M{x} {BOTTOM}v5" for x, _ in places)
    words = "".join(f'<text x="{x}" y="{BOTTOM + 19}">{escape(said)}</text>' for x, said in places)
    title = f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 37}">{escape(name)}</text>' * bool(name)
    return (
        f'<path d="M{LEFT} {BOTTOM}H{RIGHT}{lines}" stroke="{_LINE}" fill="none"/>'
        f'<g font-size="13" fill="{QUIET}" text-anchor="middle">{words}{title}</g>'
    )


def path(places: str, color: str, width: float, dash: str = "none") -> str:
    """A line in SVG's words for it (M, L, H, V)."""
    return (
        f'<path d="{places}" fill="none" stroke="{color}" stroke-width="{width}" '
        f'stroke-dasharray="{dash}"/>'
    )


def shape(x: float, y: float, outline: str, color: str) -> str:
    """A filled shape, its outline told from its middle."""
    return f'<path d="M{x} {y}{outline}" fill="{color}"/>'


def picture(parts: Sequence[str], label: str, height: int = BOTTOM + 32) -> Markup:
    """All of it, as one picture that a screen reader takes as `label`."""
    named = f'role="img" aria-label="{escape(label, quote=True)}"'
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    svg = f'<svg {named} {size} xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    return Markup(svg)  # noqa: S704  (texts are escaped)
