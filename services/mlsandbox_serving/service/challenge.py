"""Whether there is a challenger now: the traffic document is looked at about once a second."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from mlsandbox_serving.contract import Env
from mlsandbox_serving.service.challenger import Contest, Setting, at_once
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.seal import Seal
from mlsandbox_serving.service.settings import Settings
from mlsandbox_serving.service.shadow_rows import tolerance_of
from mlsandbox_serving.service.traffic import TrafficFile

_log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 1.0


class Challenge:
    """Follows the traffic document for one worker.

    Args:
        settings: of the service.
        seal: proves what is sent on.
        package: that is served.
        measures: of the service.
    """

    def __init__(self, settings: Settings, seal: Seal | None, package: Package, measures: Measures) -> None:
        self.contest: Contest | None = None
        """With the challenger of this version; None when it has none, or is not the champion."""
        identity = package.identity
        self._measures = measures
        self._file = None if settings.traffic_file is None else TrafficFile(settings.traffic_file, identity.version)
        by_class = package.schema.get("output", {}).get("type") == "class"
        tolerance = tolerance_of(package.golden, by_class=by_class)
        self._setting = Setting(identity.model, settings.timeout, tolerance, at_once(settings.requests_per_worker), seal)
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Look now, and again and again. Needs a running event loop."""
        if self._file is not None:
            if self._setting.seal is None:
                _log.error("%s is not set: a challenger could not be known, and none gets anything", Env.TRAFFIC_KEY_FILE)
                return
            self._look(self._file)

    async def stop(self) -> None:
        """No challenger gets anything any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._change(None)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _look(self, file: TrafficFile) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_SECONDS, self._look, file)
        changed = file.look()
        if file.is_champion is not None:
            self._measures.champion(is_it=file.is_champion)
        if changed:
            challenger = file.challenger
            if challenger is None:
                _log.info("there is no challenger")
                self._change(None)
            else:
                gets = "copies" if challenger.shadow else f"{challenger.share / 100:g} % of the requests"
                _log.info("%s is the challenger, at %s:%d, and gets %s", challenger.version, challenger.host, challenger.port, gets)
                self._change(Contest(challenger, self._setting, self._measures.challenger(challenger.version)))

    def _change(self, contest: Contest | None) -> None:
        former, self.contest = self.contest, contest
        if former is not None:
            task = asyncio.get_running_loop().create_task(former.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
