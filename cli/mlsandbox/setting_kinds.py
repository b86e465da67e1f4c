"""The kinds of value that a setting can have: how each is read, what it looks like in JSON Schema, how it is written back.

`parse` takes what TOML gives, `parse_text` what an environment variable or a flag gives; both raise ValueError with the
problem as a sentence part ("must be …, not …").
"""
# ruff: noqa: TRY004 - a value of the wrong type is a mistake in a file, not in this program

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)")
_ENTRY = re.compile(r"(?P<file>.+\.py):(?P<entry>[A-Za-z_]\w*)")
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def parse_duration(text: str) -> float:
    """Seconds of "250ms", "30s", "5m", "2h" or "7d"; ValueError otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'must be a duration such as "30s", "5m" or "7d", not {text!r}')
    return float(match[1]) * _SECONDS[match[2]]


def parse_seconds(text: str) -> float:
    """Seconds of a duration, or of a bare number."""
    return float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text)


def parse_size(text: str) -> int:
    """Bytes of "512kB", "10MB", "1GB" (powers of ten) or "8MiB" (powers of two); ValueError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'must be a size such as "10MB" or "1GB", not {text!r}')
    return int(float(match[1]) * _BYTES[match[2]])


def format_duration(seconds: float) -> str:
    """The shortest exact spelling: 604800 -> "7d", 0.05 -> "50ms"."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"


def format_size(count: int) -> str:
    """The shortest exact spelling, in powers of ten if it has one: 10000000 -> "10MB", 4294967296 -> "4GiB"."""
    for unit in ("GB", "MB", "kB", "GiB", "MiB", "KiB"):
        if count >= _BYTES[unit] and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"


class Kind(Protocol):
    """One kind of value."""

    def parse(self, raw: object, root: Path) -> object: ...

    def parse_text(self, text: str, root: Path) -> object: ...

    def json_schema(self) -> dict[str, object]: ...

    def plain(self, value: object, root: Path) -> object:
        """The value as it would be written in sandbox.toml."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string, of a pattern if need be."""

    pattern: str = ""
    expected: str = "a text"

    def parse(self, raw: object, root: Path) -> str:
        del root
        if not isinstance(raw, str) or not raw or (self.pattern and re.fullmatch(self.pattern, raw) is None):
            raise ValueError(f"must be {self.expected}, not {raw!r}")
        return raw

    def parse_text(self, text: str, root: Path) -> str:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{self.pattern}$"} if self.pattern else {"type": "string", "minLength": 1}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, raw: object, root: Path) -> str:
        del root
        if not isinstance(raw, str) or raw not in self.words:
            raise ValueError(f"must be {' or '.join(repr(word) for word in self.words)}, not {raw!r}")
        return raw

    def parse_text(self, text: str, root: Path) -> str:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"enum": list(self.words)}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Host:
    """An address of this machine, or of all its networks; or "localhost"."""

    def parse(self, raw: object, root: Path) -> str:
        del root
        from ipaddress import ip_address  # noqa: PLC0415 - not needed to show help

        if raw == "localhost":
            return "localhost"
        try:
            ip_address(raw if isinstance(raw, str) and "%" not in raw else "")  # itself it takes numbers and interfaces, too
        except ValueError:
            raise ValueError(f'must be an address such as "127.0.0.1", "0.0.0.0" or "::", not {raw!r}') from None
        return str(raw)

    def parse_text(self, text: str, root: Path) -> str:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"const": "localhost"}]}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number between two bounds, both included."""

    minimum: int = 1
    maximum: int | None = None

    def parse(self, raw: object, root: Path) -> int:
        del root
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise ValueError(f"must be a whole number, not {raw!r}")
        if raw < self.minimum or (self.maximum is not None and raw > self.maximum):
            bounds = f"at least {self.minimum}" if self.maximum is None else f"from {self.minimum} to {self.maximum}"
            raise ValueError(f"must be {bounds}, not {raw}")
        return raw

    def parse_text(self, text: str, root: Path) -> int:
        try:
            number = int(text.replace("_", ""))
        except ValueError:
            raise ValueError(f"must be a whole number, not {text!r}") from None
        return self.parse(number, root)

    def json_schema(self) -> dict[str, object]:
        upper = {} if self.maximum is None else {"maximum": self.maximum}
        return {"type": "integer", "minimum": self.minimum, **upper}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Share:
    """A number above 0 and up to 1."""

    def parse(self, raw: object, root: Path) -> float:
        del root
        if not isinstance(raw, int | float) or isinstance(raw, bool) or not 0 < raw <= 1:
            raise ValueError(f"must be a number above 0 and up to 1, not {raw!r}")
        return float(raw)

    def parse_text(self, text: str, root: Path) -> float:
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"must be a number above 0 and up to 1, not {text!r}") from None
        return self.parse(number, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 1}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false; 1, yes, on and their opposites in environment variables."""

    def parse(self, raw: object, root: Path) -> bool:
        del root
        if not isinstance(raw, bool):
            raise ValueError(f"must be true or false, not {raw!r}")
        return raw

    def parse_text(self, text: str, root: Path) -> bool:
        del root
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(f"must be true or false, not {text!r}")
        return text.lower() in _TRUE

    def json_schema(self) -> dict[str, object]:
        return {"type": "boolean"}

    def plain(self, value: object, root: Path) -> object:
        del root
        return value


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, kept in seconds."""

    def parse(self, raw: object, root: Path) -> float:
        del root
        if not isinstance(raw, str):
            raise ValueError(f'must be a duration such as "30s", "5m" or "7d", not {raw!r}')
        seconds = parse_duration(raw)
        if seconds <= 0:
            raise ValueError(f"must be longer than nothing, not {raw!r}")
        return seconds

    def parse_text(self, text: str, root: Path) -> float:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{_DURATION.pattern}$"}

    def plain(self, value: object, root: Path) -> object:
        del root
        return format_duration(value) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Size:
    """An amount of bytes."""

    minimum: int = 1

    def parse(self, raw: object, root: Path) -> int:
        del root
        if not isinstance(raw, str):
            raise ValueError(f'must be a size such as "10MB" or "1GB", not {raw!r}')
        count = parse_size(raw)
        if count < self.minimum:
            raise ValueError(f"must be at least {format_size(self.minimum)}, not {raw!r}")
        return count

    def parse_text(self, text: str, root: Path) -> int:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{_SIZE.pattern}$"}

    def plain(self, value: object, root: Path) -> object:
        del root
        return format_size(value) if isinstance(value, int) else value


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder: relative to the project and inside it, or absolute on purpose. Kept absolute."""

    anywhere: bool = False
    """Relative paths may leave the project too (an interpreter beside it)."""

    def parse(self, raw: object, root: Path) -> Path:
        if not isinstance(raw, str) or not raw:
            raise ValueError(f"must be a path, not {raw!r}")
        path = Path(raw)
        if path.is_absolute():
            return path
        depth = 0
        for part in path.parts:
            depth += -1 if part == ".." else 1
            if depth < 0 and not self.anywhere:
                raise ValueError(f"leaves the project folder ({raw!r}); write an absolute path if that is meant")
        return root / path

    def parse_text(self, text: str, root: Path) -> Path:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return {"type": "string", "minLength": 1}

    def plain(self, value: object, root: Path) -> object:
        if isinstance(value, Path):
            return value.relative_to(root).as_posix() if value.is_relative_to(root) else str(value)
        return value


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model lies: a file or a folder, and for plain Python the class in it."""

    file: Path
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class ModelPath:
    """A model file, an MLflow folder, or "predict.py:Predictor"."""

    anywhere: bool = False
    """Relative paths may leave the folder (on the command line)."""

    @property
    def _path(self) -> LocalPath:
        return LocalPath(self.anywhere)

    def parse(self, raw: object, root: Path) -> ModelSource:
        match = _ENTRY.fullmatch(raw) if isinstance(raw, str) else None
        if match is not None:
            return ModelSource(self._path.parse(match["file"], root), match["entry"])
        return ModelSource(self._path.parse(raw, root))

    def parse_text(self, text: str, root: Path) -> ModelSource:
        return self.parse(text, root)

    def json_schema(self) -> dict[str, object]:
        return self._path.json_schema()

    def plain(self, value: object, root: Path) -> object:
        if not isinstance(value, ModelSource):
            return value
        path = self._path.plain(value.file, root)
        return f"{path}:{value.entry}" if value.entry else path


@dataclass(frozen=True, slots=True)
class ListOf:
    """Several values of one kind; comma-separated in environment variables. Kept as a tuple."""

    item: Kind

    def parse(self, raw: object, root: Path) -> tuple[object, ...]:
        if not isinstance(raw, Sequence) or isinstance(raw, str):
            raise ValueError(f"must be a list, not {raw!r}")
        return tuple(self.item.parse(value, root) for value in raw)

    def parse_text(self, text: str, root: Path) -> tuple[object, ...]:
        return tuple(self.item.parse_text(part.strip(), root) for part in text.split(",") if part.strip())

    def json_schema(self) -> dict[str, object]:
        return {"type": "array", "items": self.item.json_schema()}

    def plain(self, value: object, root: Path) -> object:
        return [self.item.plain(item, root) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class Table:
    """A nested table, read into a dataclass of settings."""

    type: type


@dataclass(frozen=True, slots=True)
class NamedTables:
    """Tables with names that the user chooses, all of one dataclass whose first argument is the name."""

    type: type
    name: Text


@dataclass(frozen=True, slots=True)
class NamedValues:
    """Values with names of a pattern, all of one kind."""

    item: Kind
    name: Text


AnyKind = Kind | Table | NamedTables | NamedValues
Raw = Mapping[str, object]
