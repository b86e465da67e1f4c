"""A model service with all that its events go through, each the process that a stack runs: workers, shipper and log store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlsandbox_serving.contract import Env, LogTable
from mlsandbox_serving.spool.cursor import Cursor
from mlsandbox_serving.spool.reader import pending_bytes
from support.bento import Bento, Service, serve
from support.event_processes import LogStore, ShipperProcess, metric
from support.waiting import wait_for

SINK = "log-store"


@dataclass(frozen=True)
class Pipeline:
    """The running processes."""

    folder: Path
    model: Service
    shipper: ShipperProcess
    log_store: LogStore

    def kill_worker(self) -> None:
        """SIGKILL to one worker; returns once it is gone."""
        worker = self.model.workers()[0]
        worker.kill()
        wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, what="the worker's end")

    def is_whole(self, workers: int) -> bool:
        """Whether all workers, the shipper and the log store are ready."""
        try:
            ready = self.model.get("/readyz")[0] == 200
        except OSError:
            return False
        return ready and len(self.model.workers()) == workers and self.shipper.is_ready() and self.log_store.is_ready()

    def dropped(self) -> float:
        """Events that are counted as lost, by whoever lost them."""
        name = "sandbox_events_dropped_total"
        return metric(self.model.port, name) + metric(self.shipper.probe_port, name)

    def predicted(self) -> float:
        """Predictions that all workers together say they have answered."""
        return metric(self.model.port, "sandbox_requests_total", route="/predict", code="200")

    def stored(self) -> list[str]:
        """Ids of the predictions in the log store, as often as they are there."""
        if not self.log_store.path.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.log_store.path}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                f"SELECT {LogTable.REQUEST_ID} FROM {LogTable.NAME} WHERE {LogTable.STATUS} = 200"  # noqa: S608 - names of the contract
            )
            return [name for (name,) in found]

    def delivered(self) -> None:
        """Wait until the log store has all that is in the spool."""
        delivered(self.shipper.spool)


def delivered(spool: Path) -> None:
    """Wait until the log store has all that is in a spool."""
    wait_for(lambda: not pending_bytes(spool, Cursor(spool, SINK).position), every=0.1, what="all events in the log store")


@contextmanager
def pipeline(bento: Bento, folder: Path, *, spool: Path | None = None, **settings: str) -> Iterator[Pipeline]:
    """Run all of it; ended at the end of the block, with what was started again meanwhile.

    Args:
        bento: what is served.
        folder: of their files.
        spool: another place for the spool.
        settings: of the model service.
    """
    where = spool or folder / "spool"
    log_store = LogStore(folder)
    shipper = ShipperProcess(folder, {SINK: log_store.forward_port}, **{Env.SPOOL_DIR: str(where)})
    shipper.spool = where
    try:
        log_store.start()
        shipper.start()
        with serve(bento, folder, **{Env.SPOOL_DIR: str(where), **settings}) as model:
            model.wait()
            yield Pipeline(folder, model, shipper, log_store)
    finally:
        shipper.kill()
        log_store.kill()
