"""Real rows of a model's reference, to be sent to it again."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mlsandbox.actions.predict import example_row, tabular_rows
from mlsandbox.data_rows import Row, read_rows
from mlsandbox.packaging.package import Package
from mlsandbox.settings import ModelConfig
from mlsandbox_serving.contract import PackageFile

MOST: Final = 10_000
"""Rows that are held; of more a sample is."""
FEW: Final = 500
"""With fewer rows than this, rows drawn from them look unlike the whole reference, whatever was done to them."""


@dataclass(frozen=True, slots=True)
class Known:
    """Rows to draw from.

    Args:
        rows: with JSON values; never empty.
        source: where they are from, in words.
        total: usable rows that there are; more than `rows` when these are a sample.
    """

    rows: tuple[Row, ...]
    source: str
    total: int

    @property
    def is_few(self) -> bool:
        return len(self.rows) < FEW


def known_rows(config: ModelConfig, package: Package, schema: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]]) -> Known:
    """Rows of the reference file; without one the golden rows of the package, or its example.

    Args:
        config: of the model.
        package: that answers.
        schema: schema.json of it.
        given: example rows that were given for models, by name.

    Raises:
        InputUnreadable: nothing is known, or the reference cannot be read.
    """
    if config.reference is not None and config.reference.is_file():
        found = sample(read_rows(config.reference, schema, lambda file: tabular_rows(package, file, typed=True)))
        if found.rows:
            return Known(found.rows, f"the reference {config.reference.name}", found.total)
    golden = package.source / PackageFile.GOLDEN
    if golden.is_file():
        columns = json.loads(golden.read_text(encoding="utf-8"))["columns"]
        rows = sample(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        if rows.rows:
            return Known(rows.rows, f"the golden rows of {package.model} {package.version}", rows.total)
    return Known((dict(example_row(package, given)),), f"the example of {package.model} {package.version}", 1)


class Sample(NamedTuple):
    """Some of many rows."""

    rows: tuple[Row, ...]
    total: int
    """Usable rows that it was drawn from."""


def sample(rows: Iterable[Row], most: int = MOST) -> Sample:
    """At most so many rows, each with the same chance, the same ones for the same data; rows that JSON cannot say are left out."""
    chance = random.Random(0)  # noqa: S311 - a sample, not a secret
    held: list[Row] = []
    usable = (row for row in rows if row and not any(isinstance(value, float) and not math.isfinite(value) for value in row.values()))
    place = -1
    for place, row in enumerate(usable):
        if place < most:
            held.append(row)
        elif (slot := chance.randrange(place + 1)) < most:
            held[slot] = row
    return Sample(tuple(held), place + 1)
