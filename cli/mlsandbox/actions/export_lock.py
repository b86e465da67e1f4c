"""One export at a time into a folder: two that plan and write at once would leave files of both, and the record of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlsandbox.actions.export_place import made_for, make_folder, refuse_file, remove_empty
from mlsandbox.actions.outcomes import Report
from mlsandbox.file_lock import exclusive_folder


@contextmanager
def alone_in(folder: Path, kind: str, report: Report, *, unless: bool = False) -> Iterator[None]:
    """Inside, no other export plans for that folder or writes into it. One that has nothing in it in the end is not made.

    Args:
        folder: need not be there.
        kind: what is exported.
        report: told of waiting.
        unless: nothing is written, and nobody waits.

    Raises:
        ExportFolderTaken, AccessDenied, DiskFull: it cannot be one.
    """
    if unless:
        yield
        return
    refuse_file(kind, folder)
    made = made_for(folder)
    while True:
        if not folder.is_dir():
            make_folder(folder)
        with exclusive_folder(folder, waiting=lambda: report.note(f"another export is writing into {folder}; waiting for its end")) as held:
            if not held:  # one that wrote nothing has removed it meanwhile
                continue
            try:
                yield
            finally:
                remove_empty(made)
            return
