"""`python -m mlsandbox_serving.hand_out TARGET`: copies the package's reference profile to TARGET/model/version.

For a drift service that has no other way to the package: it runs in the model's image, and leaves the files as they are in it, where
both can reach them. Without a profile the folder is empty, which says that this version is served, and has nothing to compare with.
Exit codes: 0 done, 1 not done, the last line says why.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlsandbox_serving.contract import PackageFile, ProfileFile
from mlsandbox_serving.packaged import BESIDE, Packaged, packaged

_log = logging.getLogger(__name__)

_PARTIAL: Final = ".partial"


def hand_out(target: Path, root: Path = BESIDE) -> Packaged:
    """Copy the profile; a second time is the same as once.

    Args:
        target: where the folders of the models are; made when it is absent.
        root: where the package is.

    Returns:
        whose profile it is.

    Raises:
        OSError, ValueError: the package cannot be read, or the files cannot be written.
    """
    whose = packaged(root)
    folder = target / whose.model / whose.version
    # Readers take every folder there for a version: one that is not complete yet lies beside them.
    partial = target / _PARTIAL / whose.model / whose.version
    for old in (partial, folder):
        shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in ProfileFile.ALL:
        file = root / PackageFile.PROFILE / name
        if file.is_file():
            shutil.copyfile(file, partial / name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(folder)
    return whose


def main(arguments: Sequence[str]) -> int:
    """Copy, and say so; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        (target,) = arguments
        whose = hand_out(Path(target))
    except (OSError, ValueError) as error:
        _log.error("the reference profile is not handed out: %s: %s", type(error).__name__, error)
        return 1
    _log.info("%s/%s: the reference profile lies below %s", *whose, target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
