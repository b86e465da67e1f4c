"""Copies of the references of what is served, for when it is served no longer and its last events still come."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mlsandbox_serving.contract import ProfileFile
from mlsandbox_serving.drift import ProfileUnreadable, load_profile
from mlsandbox_serving.drift_sidecar.settings import Source

_log = logging.getLogger(__name__)

_FILES: Final = (*ProfileFile.ALL, ProfileFile.BASELINE)


class Copies:
    """In `<folder>/profiles`, each in a folder of its own.

    Args:
        folder: of the drift service.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "profiles"

    def find(self, source: Source) -> Path | None:
        """The copy of a source; None when there is none."""
        copy = self._path(source)
        return copy if copy.is_dir() else None

    def keep(self, source: Source, given: Path) -> None:
        """Have a copy of exactly what is given, and none of what is no profile: a former one is not what its rows are compared with.

        Args:
            source: whose it is.
            given: a folder, which need not be there.
        """
        copy = self._path(source)
        fresh = copy.with_name(f".{copy.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            load_profile(given)
            fresh.mkdir(parents=True)
            for name in _FILES:
                if (given / name).is_file():
                    shutil.copyfile(given / name, fresh / name)
            self.drop(source)
            fresh.rename(copy)
        except ProfileUnreadable:  # the watch tells why
            self.drop(source)
        except OSError as error:
            _log.warning("%s/%s: cannot copy its reference (%s); once it is served no longer, there is none", *source, error)
            self.drop(source)

    def drop(self, source: Source) -> None:
        """Delete the copy of a source."""
        shutil.rmtree(self._path(source), ignore_errors=True)

    def drop_others(self, sources: Iterable[Source]) -> None:
        """Delete what is no copy of these."""
        known = {self._path(source).name for source in sources}
        for found in self._folder.glob("*"):
            if found.name not in known:
                shutil.rmtree(found, ignore_errors=True)

    def _path(self, source: Source) -> Path:
        return self._folder / hashlib.blake2b("/".join(source).encode(), digest_size=16).hexdigest()
