"""A column's distribution as an inline SVG: for each group of values the share of the reference, and that of the recent rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlsandbox_serving.shown import shown

_WIDTH: Final = 640
_LABELS: Final = 220
_NUMBERS: Final = 110
_ROW: Final = 24
_BAR: Final = 8
_LONGEST: Final = 30


def plot(column: str, cells: Sequence[str], reference: Sequence[float | None], recent: Sequence[float | None]) -> str:
    """The drawing; its colours come from the page.

    Args:
        column: its name.
        cells: what each group holds.
        reference: share of each.
        recent: share of each.
    """
    pairs = [(name, one or 0.0, other or 0.0) for name, one, other in zip(cells, reference, recent, strict=True)]
    largest = max([share for _, *shares in pairs for share in shares], default=0.0) or 1.0
    scale = (_WIDTH - _LABELS - _NUMBERS) / largest
    rows = [_row(place * _ROW, *pair, scale) for place, pair in enumerate(pairs)]
    label = shown(f"Shares of the values of {column}: the reference, and recent rows. The table below has the numbers.")
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {max(len(pairs), 1) * _ROW}">{"".join(rows)}</svg>'


def _row(top: int, name: str, reference: float, recent: float, scale: float) -> str:
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    middle = top + _ROW / 2 + 4
    return (
        f"<g><title>{shown(name)}: reference {reference:.2%}, recent {recent:.2%}</title>"
        f'<text class="label" x="{_LABELS - 10}" y="{middle:g}" text-anchor="end">{shown(short)}</text>'
        f'<rect class="reference" x="{_LABELS}" y="{top + 3}" width="{reference * scale:.1f}" height="{_BAR}"/>'
        f'<rect class="recent" x="{_LABELS}" y="{top + 3 + _BAR}" width="{recent * scale:.1f}" height="{_BAR}"/>'
        f'<text class="number" x="{_WIDTH}" y="{middle:g}" text-anchor="end">{reference:.1%} → {recent:.1%}</text></g>'
    )
