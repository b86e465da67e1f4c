"""A model service in this process: its application, the runtime behind it, and a spool in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mlsandbox_serving.contract import Env, NotReady
from mlsandbox_serving.service.access import Access
from mlsandbox_serving.service.app import App
from mlsandbox_serving.service.measures import Measures
from mlsandbox_serving.service.package import Package
from mlsandbox_serving.service.runtime import Runtime
from mlsandbox_serving.service.settings import Settings
from mlsandbox_serving.service.surroundings import Workers
from support.asgi import Client, Response
from support.served import Laid, people


class StandInSpool:
    """Stands in for the spool's files: keeps events in memory, and can be told to be unwritable."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.written = 0
        self.dropped: dict[str, int] = {}
        self.reason: str | None = None
        self.closed = False

    def append(self, record: Mapping[str, object], timestamp: float) -> None:
        json.dumps([record, timestamp])
        self.append_many([(record, timestamp)])

    def append_payloads(self, payloads: Sequence[bytes | None]) -> int:
        entries = [msgpack.unpackb(payload, strict_map_key=False) for payload in payloads if payload is not None]
        return self.append_many([(record, 0.0) for _time, record in entries])

    def append_many(self, events: Sequence[tuple[Mapping[str, object], float]]) -> int:
        if self.reason is not None:
            self.dropped["disk_full"] = self.dropped.get("disk_full", 0) + len(events)
            return 0
        self.events += [dict(record) for record, _ in events]
        self.written += len(events)
        return len(events)

    def leave_out(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def writable(self) -> str | None:
        return self.reason

    def close(self) -> None:
        self.closed = True


@dataclass
class Served:
    """An application and what is around it."""

    app: App
    spool: StandInSpool
    runtime: Runtime
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app)

    def run(self, talk: Callable[[Client], Awaitable[Any]], *, wait: bool = True) -> Any:
        """Run `talk` with the service started, by default once it is ready or has given up."""

        async def conversation() -> Any:
            async with self.client as client:
                if wait:
                    await loaded(client)
                return await talk(client)

        return asyncio.run(asyncio.wait_for(conversation(), 60))

    def post(self, content: Any = None, **options: Any) -> Response:
        """One request to /predict."""
        answer = self.run(lambda client: client.post("/predict", content, **options))
        assert isinstance(answer, Response)
        return answer


async def loaded(client: Client) -> None:
    """Wait until the service is ready or has given up."""
    while (await client.get("/readyz")).json()["code"] == NotReady.LOADING:  # noqa: ASYNC110 - a probe, as the engine's
        await asyncio.sleep(0.005)


async def metrics_of(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples of /metrics without the labels that are always the same."""
    text = (await client.get("/metrics")).body.decode()
    return {
        (
            sample.name,
            tuple(sorted((name, value) for name, value in sample.labels.items() if name not in {"model", "version"})),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def serve(laid: Laid, **environ: str) -> Served:
    """A service that is alone."""
    return serve_beside(None, laid, **environ)


def serve_beside(workers: Workers | None, laid: Laid, /, **environ: str) -> Served:
    """One worker of several."""
    spool = StandInSpool()
    package = Package.read(laid.root)
    registry = CollectorRegistry()
    settings = Settings.read({Env.STACK_ID: "nonce", **environ})
    measures = Measures(package.identity, "sklearn", registry, limit=settings.max_concurrency)
    runtime = Runtime(package, settings, model_folder=lambda: laid.model, spool=spool, measures=measures, workers=workers)
    app = App(None, runtime, lambda: generate_latest(registry), Access.read(settings.api_keys_file))
    return Served(app, spool, runtime)


def rows_of(count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(people().head(count).to_json(orient="records"))
    return rows
