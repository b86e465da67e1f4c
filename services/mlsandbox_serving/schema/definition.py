"""The shape of a model's input and output as data: what schema.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args

from mlsandbox_serving.contract import SCHEMA_VERSION

ColumnType = Literal["float", "integer", "boolean", "string", "category", "datetime"]
InputKind = Literal["frame", "array", "columns"]
OutputType = Literal["class", "number", "array"]
Scalar = str | int | float | bool
"""A JSON value that can be a category or a class."""


class SchemaInvalid(ValueError):
    """schema.json is not a schema that this version reads; the text names the key."""


@dataclass(frozen=True, slots=True)
class Column:
    """One input column.

    Args:
        name: as the model knows it.
        type: what JSON values it takes.
        dtype: the exact numpy or pandas dtype that the model's input is built with.
        nullable: whether null is accepted, because the reference data has missing values there.
        categories: the known values of a "category" column, in their order; None for other types.
        ordered: whether a pandas categorical is ordered.
        categories_dtype: dtype of a pandas categorical's categories; None leaves it to pandas.
        missing: what null becomes in a column of Python objects: NaN or None.
        minimum: lowest value of the reference data; informative, never enforced.
        maximum: highest value of the reference data; informative, never enforced.
    """

    name: str
    type: ColumnType
    dtype: str
    nullable: bool = False
    categories: tuple[Scalar, ...] | None = None
    ordered: bool = False
    categories_dtype: str | None = None
    missing: Literal["nan", "none"] = "nan"
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Read one entry of `columns`.

        Raises:
            SchemaInvalid: a key is missing or has a value that is not known.
        """
        name = _text(data, "name")
        kind = data.get("type")
        if kind not in get_args(ColumnType):
            raise SchemaInvalid(f"column {name!r}: type {kind!r} is none of {', '.join(get_args(ColumnType))}")
        categories = data.get("categories")
        if kind == "category" and not isinstance(categories, list | tuple):
            raise SchemaInvalid(f"column {name!r}: a category column without categories")
        return cls(
            name=name,
            type=cast("ColumnType", kind),
            dtype=_text(data, "dtype"),
            nullable=bool(data.get("nullable", False)),
            categories=None if categories is None else tuple(categories),
            ordered=bool(data.get("ordered", False)),
            categories_dtype=data.get("categories_dtype"),
            missing="none" if data.get("missing") == "none" else "nan",
            minimum=data.get("minimum"),
            maximum=data.get("maximum"),
        )

    def to_json(self) -> dict[str, Any]:
        """The entry of `columns`; optional keys only when they say something."""
        entry: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "dtype": self.dtype,
            "nullable": self.nullable,
            "categories": None if self.categories is None else list(self.categories),
            "minimum": self.minimum,
            "maximum": self.maximum,
        }
        if self.type == "category":
            entry["ordered"] = self.ordered
            if self.categories_dtype is not None:
                entry["categories_dtype"] = self.categories_dtype
        if self.missing != "nan":
            entry["missing"] = self.missing
        return entry


@dataclass(frozen=True, slots=True)
class Output:
    """What the model answers: labels of a class, numbers, or several numbers per row; and whether with class probabilities."""

    type: OutputType
    classes: tuple[Scalar, ...] | None = None
    probabilities: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Output:
        """Read `output`.

        Raises:
            SchemaInvalid: the type is not known.
        """
        kind = data.get("type")
        if kind not in get_args(OutputType):
            raise SchemaInvalid(f"output: type {kind!r} is none of {', '.join(get_args(OutputType))}")
        classes = data.get("classes")
        return cls(
            type=cast("OutputType", kind),
            classes=None if classes is None else tuple(classes),
            probabilities=bool(data.get("probabilities", False)),
        )

    def to_json(self) -> dict[str, Any]:
        """`output` of schema.json."""
        return {
            "type": self.type,
            "classes": None if self.classes is None else list(self.classes),
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True)
class Definition:
    """A whole schema.json: input columns in the model's order, what they are put into, and the output.

    Args:
        input: "frame": a pandas DataFrame; "array": a 2-D numpy array of `array_dtype`; "columns": a dict of one 1-D array per column.
        columns: in the order in which the model was trained.
        output: what the model answers.
        array_dtype: dtype of the array; only for "array".
    """

    input: InputKind
    columns: tuple[Column, ...]
    output: Output
    array_dtype: str | None = None
    names: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        names = tuple(column.name for column in self.columns)
        if not names:
            raise SchemaInvalid("columns: there are none")
        if len(set(names)) != len(names):
            raise SchemaInvalid(f"columns: a name occurs twice: {sorted(name for name in set(names) if names.count(name) > 1)}")
        if self.input == "array" and self.array_dtype is None:
            raise SchemaInvalid("array_dtype: needed when input is 'array'")
        object.__setattr__(self, "names", names)

    def to_json(self) -> dict[str, Any]:
        """The whole of schema.json."""
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "input": self.input,
            "columns": [column.to_json() for column in self.columns],
            "output": self.output.to_json(),
        }
        if self.array_dtype is not None:
            document["array_dtype"] = self.array_dtype
        return document


_INPUTS: Final = get_args(InputKind)


def read(data: Mapping[str, Any]) -> dict[str, Any]:
    """Check schema.json and return the arguments of a Definition.

    Raises:
        SchemaInvalid: the text names the key.
    """
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise SchemaInvalid(f"schema_version: {version!r}, this version reads {SCHEMA_VERSION}")
    if data.get("input") not in _INPUTS:
        raise SchemaInvalid(f"input: {data.get('input')!r} is none of {', '.join(_INPUTS)}")
    return {
        "input": data["input"],
        "columns": tuple(Column.from_json(column) for column in data.get("columns", ())),
        "output": Output.from_json(data.get("output", {})),
        "array_dtype": data.get("array_dtype"),
    }


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise SchemaInvalid(f"columns: {key} is {value!r}, not a text")
    return value
