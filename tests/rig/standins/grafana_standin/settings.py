"""Grafana's settings: GF_<SECTION>_<KEY>, the same with __FILE behind it, then grafana.ini, then the default."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path


class StartFailed(Exception):
    """Something that is provisioned or set is wrong."""


class Settings:
    """Looks settings up by section and key, as in grafana.ini."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._ini = configparser.ConfigParser(interpolation=None, strict=False)
        self._ini.read(environ.get("GF_PATHS_CONFIG", "/etc/grafana/grafana.ini"), encoding="utf-8")

    def get(self, section: str, key: str, default: str) -> str:
        """One setting.

        Raises:
            StartFailed: it is to be read from a file that cannot be read.
        """
        name = f"GF_{section}_{key}".upper().replace(".", "_").replace("-", "_")
        file = self._environ.get(f"{name}__FILE")
        if file:
            try:
                return Path(file).read_text(encoding="utf-8").rstrip("\n")
            except OSError as error:
                raise StartFailed(f"{name}__FILE: {error}") from error
        return self._environ.get(name) or self._ini.get(section, key, fallback=None) or default

    def flag(self, section: str, key: str, *, default: bool) -> bool:
        return self.get(section, key, str(default)).lower() in {"true", "1"}
