"""Reads a dataclass of settings from TOML, environment variables and flags, collecting every mistake instead of the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from mlsandbox.setting_kinds import Kind, NamedTables, NamedValues, Raw, Table
from mlsandbox.toml_lines import key_lines

T = TypeVar("T")
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Override:
    """A value that a flag gives to one setting."""

    path: str
    """Dotted, "stack.engine"."""
    value: str | None
    """None takes away what the file pins ("stack.ports.api" for `--port auto`)."""
    flag: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from."""

    value: object
    """As it would be written in sandbox.toml."""
    source: str
    """"default", "sandbox.toml:12", "SANDBOX_ENGINE" or "--engine"."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake."""

    key: str
    source: str
    problem: str

    @property
    def text(self) -> str:
        return " ".join(part for part in (f"{self.source}:", self.key, self.problem) if part)

    @property
    def facts(self) -> dict[str, object]:
        file, _, line = self.source.partition(":")
        return {"key": self.key or None, "source": file, "line": int(line) if line.isdigit() else None, "problem": self.problem}


class SettingReader:
    """One reading of one project; `faults`, `origins` and `reserved` fill up as it goes."""

    def __init__(self, root: Path, text: str, *, environ: Mapping[str, str], overrides: Sequence[Override]) -> None:
        self.faults: list[Fault] = []
        self.origins: dict[str, Setting] = {}
        self.reserved: list[str] = []
        self._root = root
        self._lines = key_lines(text)
        self._environ = environ
        self._overrides = {override.path: override for override in overrides}

    def fault(self, key: Key, problem: str, source: str = "") -> None:
        self.faults.append(Fault(".".join(key), source or self._line(key), problem))

    def read(self, type_: type[T], raw: Raw, prefix: Key = (), *fixed: object) -> T:
        """An instance of the dataclass; `fixed` are its leading arguments that are no settings. Wrong values become defaults."""
        values: dict[str, object] = {}
        known: list[str] = []
        for each in fields(cast("Any", type_)):
            if "kind" not in each.metadata:
                continue
            key = each.metadata["key"] or each.name
            known.append(key)
            values[each.name] = self._field(each, raw.get(key, MISSING), (*prefix, key))
        for key in raw:
            if key not in known:
                self.fault((*prefix, key), "is not a setting" + _nearest(key, known))
        return type_(*fixed, **values)

    def _field(self, each: Field[Any], raw: object, key: Key) -> object:
        kind = each.metadata["kind"]
        if isinstance(kind, Table):
            return self.read(kind.type, self._table(raw, key), key)
        if isinstance(kind, NamedTables):
            return self._named_tables(kind, self._table(raw, key), key)
        if isinstance(kind, NamedValues):
            return self._named_values(kind, self._table(raw, key), key, reserved=each.metadata["reserved"])
        default = None if each.default is MISSING else each.default
        value, source = self._value(kind, raw, key, each.metadata["env"], default)
        if value is None and each.default is MISSING:
            self.fault(key, "is missing", self._line(key[:-1]))
        self._remember(kind, key, value, source, reserved=each.metadata["reserved"])
        return value

    def _named_tables(self, kind: NamedTables, raw: Raw, key: Key) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for name, table in raw.items():
            self._check_name(kind.name, name, key)
            found[name] = self.read(kind.type, self._table(table, (*key, name)), (*key, name), name)
        return MappingProxyType(found)

    def _named_values(self, kind: NamedValues, raw: Raw, key: Key, *, reserved: bool) -> Mapping[str, object]:
        stem = _variable(key) + "_"
        from_environ = [name.removeprefix(stem).lower().replace("_", "-") for name in self._environ if name.startswith(stem)]
        from_flags = [path.removeprefix(".".join(key) + ".") for path in self._overrides if path.startswith(".".join(key) + ".")]
        found: dict[str, object] = {}
        for name in dict.fromkeys([*raw, *from_environ, *from_flags]):
            self._check_name(kind.name, name, key)
            value, source = self._value(kind.item, raw.get(name, MISSING), (*key, name), "", None)
            if value is not None:
                found[name] = value
                self._remember(kind.item, (*key, name), value, source, reserved=reserved)
        return MappingProxyType(found)

    def _value(self, kind: Kind, raw: object, key: Key, env: str, default: object) -> tuple[object, str]:
        path, variable = ".".join(key), env or _variable(key)
        override = self._overrides.get(path)
        source = self._line(key)
        try:
            if override is not None:
                source = override.flag
                return (None if override.value is None else kind.parse_text(override.value, self._root)), source
            if self._environ.get(variable):
                source = variable
                return kind.parse_text(self._environ[variable], self._root), source
            if raw is not MISSING:
                return kind.parse(raw, self._root), source
        except ValueError as problem:
            self.fault(key, str(problem), source)
        return default, "default"

    def _remember(self, kind: Kind, key: Key, value: object, source: str, *, reserved: bool) -> None:
        path = ".".join(key)
        self.origins[path] = Setting(kind.plain(value, self._root), source)
        if reserved and source != "default":
            self.reserved.append(path)

    def _table(self, raw: object, key: Key) -> Raw:
        if raw is MISSING:
            return {}
        if isinstance(raw, dict):
            return raw
        self.fault(key, f"must be a table, not {raw!r}")
        return {}

    def _check_name(self, kind: Kind, name: str, key: Key) -> None:
        try:
            kind.parse(name, self._root)
        except ValueError as problem:
            self.fault((*key, name), f"is a name that {problem}")

    def _line(self, key: Key) -> str:
        for length in range(len(key), 0, -1):
            if key[:length] in self._lines:
                return f"sandbox.toml:{self._lines[key[:length]]}"
        return "sandbox.toml"


def _variable(key: Key) -> str:
    return "SANDBOX_" + "_".join(key).upper().replace("-", "_")


def _nearest(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; known here: {', '.join(known)}"
