"""Which lines of a ledger stand where they were written, and which were put, moved or copied there (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Placed:
    """What a line says of its own place."""

    sequence: int
    previous: str
    digest: str


def in_place(lines: Sequence[Placed], last: tuple[int, str]) -> tuple[list[int], list[int]]:
    """The indices of the lines that stand in their place, and of the others.

    In place is the longest run of rising sequences, where a line that follows the digest of the one before counts twice: of two lines that
    claim the same place, the one that its neighbours know wins.

    Args:
        lines: in the order in which they stand.
        last: sequence and digest of the line that is known to have been written last; it counts twice, too.
    """
    if all(after.previous == before.digest and after.sequence == before.sequence + 1 for before, after in pairwise(lines)):
        return list(range(len(lines))), []
    best: list[tuple[int, int]] = []  # of each line: how much is in place up to it, and the line before it
    ranks = {sequence: rank for rank, sequence in enumerate(sorted({each.sequence for each in lines}), 1)}
    below = [(0, -1)] * (len(ranks) + 1)  # a binary indexed tree: the best line among those of lower ranks
    known: dict[tuple[int, str], int] = {}
    for index, each in enumerate(lines):
        score, before = _highest(below, ranks[each.sequence] - 1)
        neighbour = known.get((each.sequence - 1, each.previous))
        if neighbour is not None and best[neighbour][0] + 1 >= score:
            score, before = best[neighbour][0] + 1, neighbour
        score += (each.sequence, each.digest) == last
        best.append((score + 1, before))
        _raise(below, ranks[each.sequence], (score + 1, index))
        if best[known.setdefault((each.sequence, each.digest), index)][0] < score + 1:
            known[each.sequence, each.digest] = index
    kept = []
    index = max(range(len(best)), key=lambda each: best[each][0])
    while index >= 0:
        kept.append(index)
        index = best[index][1]
    chosen = set(kept)
    return kept[::-1], [index for index in range(len(lines)) if index not in chosen]


def _highest(tree: Sequence[tuple[int, int]], rank: int) -> tuple[int, int]:
    found = (0, -1)
    while rank > 0:
        found = max(found, tree[rank])
        rank -= rank & -rank
    return found


def _raise(tree: list[tuple[int, int]], rank: int, value: tuple[int, int]) -> None:
    while rank < len(tree):
        tree[rank] = max(tree[rank], value)
        rank += rank & -rank
