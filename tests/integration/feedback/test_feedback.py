"""Labels on their way: file, command, model service, spool, and the numbers that come of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlsandbox.actions.feedback import FeedbackImport, import_labels
from mlsandbox.actions.label_rows import read_labels
from mlsandbox.endpoint import Endpoint
from mlsandbox.errors import FeedbackRefused, NotRunning
from mlsandbox.output import Output
from mlsandbox.progress import QuietReport
from mlsandbox_serving.contract import Dataset, Env, Field
from mlsandbox_serving.performance import Performance, PerformanceStore, Window
from support.bento import Service, build, free_port, serve
from support.labelled import Event, offline_classes, same
from support.served import Laid, fitted, lay, people
from support.waiting import wait_for

CLASSES = ["no", "yes"]


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    frame = people()
    return lay(tmp_path_factory.mktemp("laid"), fitted(frame), frame)


@pytest.fixture(scope="module")
def services(laid: Laid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """The model's first version, and the one that came after it."""
    old = build(laid, tmp_path_factory.mktemp("old"))
    laid.change("package.json", lambda manifest: manifest.update(version="v2"))
    new = build(laid, tmp_path_factory.mktemp("new"))
    folder = tmp_path_factory.mktemp("running")
    with serve(old, folder / "v1", **{Env.MAX_ROWS: "100"}) as first, serve(new, folder / "v2", **{Env.MAX_ROWS: "100"}) as second:
        for service in (first, second):
            service.wait()
        yield [first, second]


class Asked:
    """Requests to a service, and what is true of their rows."""

    def __init__(self, service: Service, rows: pd.DataFrame, truth: Sequence[str], size: int) -> None:
        self.predicted: list[str] = []
        self.probabilities: list[list[float]] = []
        self.labels: list[dict[str, Any]] = []
        self.truth = list(truth)
        for start in range(0, len(rows), size):
            part = rows.iloc[start : start + size]
            columns = {name: part[name].astype(object).where(part[name].notna(), None).tolist() for name in part}
            status, answer = service.post("/predict", {"columns": columns})
            assert status == 200
            self.predicted += answer["predictions"]
            self.probabilities += answer["probabilities"]
            self.labels += [
                {"request_id": answer["request_id"], "row": row, "label": true} for row, true in enumerate(truth[start : start + size])
            ]

    def expected(self) -> dict[str, float]:
        return offline_classes(self.truth, self.predicted, CLASSES, self.probabilities)


def events_of(services: Sequence[Service]) -> list[Event]:
    """All events of the spools, as a sink receives them."""
    records = [record for service in services for record in service.events()]
    return [(int(datetime.fromisoformat(record[Field.TIMESTAMP]).timestamp() * 1e6) * 1000, record) for record in records]


def performance(folder: Path, events: Sequence[Event]) -> dict[str, Performance]:
    """By version, of all predictions."""
    store = PerformanceStore(folder, max_predictions=10**6, max_age=86_400)
    for start in range(0, len(events), 50):
        store.add(events[start : start + 50])
    now = max(time for time, _ in events) / 1e9
    found = {one.version: one for one in store.summary(now) if one.window is Window.HOUR}
    store.close()
    return found


def hand_in(service: Service, file: Path, **options: Any) -> FeedbackImport:
    with Endpoint(f"http://127.0.0.1:{service.port}") as endpoint:
        output = endpoint.schema()["output"]
        lines = read_labels(file, output, lambda path: pytest.fail(str(path)))
        settings: dict[str, Any] = {"size": 40, "dry_run": False, "report": QuietReport(Output()), **options}
        return import_labels(endpoint, file, lines, model="toy", output=output, **settings)


def test_labels_of_both_versions_give_the_numbers_of_scikit_learn(services: list[Service], tmp_path: Path) -> None:
    """Labels that were wrong at first, then right, all handed in to the new version, must give each version scikit-learn's numbers."""
    dice = people(160).sample(frac=1, random_state=1)
    truth = ["yes" if age > 50 else "no" for age in dice["age"]]
    old, new = Asked(services[0], dice.iloc[:90], truth[:90], 7), Asked(services[1], dice.iloc[90:], truth[90:], 1)
    wrong = [{**each, "label": CLASSES[each["label"] == "no"]} for each in old.labels[::3] + new.labels[::5]]
    (tmp_path / "first.jsonl").write_text("".join(json.dumps(each) + "\n" for each in wrong))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["request_id", "row", "label"])
        writer.writeheader()
        writer.writerows(old.labels + new.labels + [{"request_id": "not known yet", "row": 0, "label": ""}])

    first = hand_in(services[1], tmp_path / "first.jsonl")
    second = hand_in(services[1], tmp_path / "labels.csv")

    assert (first.accepted, second.accepted, second.lines, second.without_label, second.refused) == (len(wrong), 160, 161, 1, 0)
    found = performance(tmp_path / "performance", events_of(services))
    for version, asked in (("v1", old), ("v2", new)):
        assert same(found[version].metrics, asked.expected()), (found[version], asked.expected())
        assert found[version].coverage == 1.0


def test_labels_are_events_of_their_own(services: list[Service]) -> None:
    """A label must be in the spool when its request is answered, found under the labelled request's id."""
    status, answer = services[0].post(
        "/feedback", [{"request_id": "order 4711", "label": "yes"}, {"request_id": "order 4711", "row": 1, "label": "no"}]
    )

    assert (status, answer["accepted"], answer["version"]) == (202, 2, "v1")
    events = [event for event in services[0].events() if event[Field.REQUEST_ID] == "order 4711"]
    assert [(event[Field.EVENT_DATASET], event[Field.FEEDBACK_ROW], event[Field.FEEDBACK_LABEL]) for event in events] == [
        (Dataset.FEEDBACK, 0, "yes"),
        (Dataset.FEEDBACK, 1, "no"),
    ]


def test_lines_that_the_service_refuses_are_named(services: list[Service], tmp_path: Path) -> None:
    """Lines that the service finds to be none must be told by their number; all others are taken, in batches of any size."""
    bad = {7, 8, 33, 64}
    lines = [{"request_id": "x" * 200 if number in bad else f"r{number}", "label": "perhaps"} for number in range(1, 71)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    result = hand_in(services[0], tmp_path / "labels.jsonl", size=30)

    assert (result.accepted, result.refused, result.unknown) == (66, 4, 66)
    assert [error.line for error in result.errors] == sorted(bad)
    assert "request_id" in result.errors[0].message


def test_a_dry_run_sends_nothing(services: list[Service], tmp_path: Path) -> None:
    """With --dry-run the file must be read and nothing be sent."""
    (tmp_path / "labels.jsonl").write_text('{"request_id": "dry", "label": "yes"}\n')

    result = hand_in(services[0], tmp_path / "labels.jsonl", dry_run=True)

    assert (result.accepted, result.dry_run) == (1, True)
    assert [event for event in services[0].events() if event[Field.REQUEST_ID] == "dry"] == []


def test_too_many_labels_at_once_say_so(services: list[Service], tmp_path: Path) -> None:
    """Labels that are refused as a whole must end the command with the service's reason, and how far it came."""
    (tmp_path / "labels.jsonl").write_text('{"request_id": "a", "label": "yes"}\n' * 400)

    with pytest.raises(FeedbackRefused, match="413 TOO_MANY_ROWS"):
        hand_in(services[0], tmp_path / "labels.jsonl", size=101)


def test_a_service_that_goes_away_tells_how_far_it_came(laid: Laid, tmp_path: Path) -> None:
    """When the service ends on the way, the error must say how many labels were taken, and that all may be handed in again."""
    (tmp_path / "labels.jsonl").write_text("".join(f'{{"request_id": "r{number}", "label": "yes"}}\n' for number in range(100)))
    with serve(build(laid, _folder(tmp_path / "built")), tmp_path / "running") as service:
        service.wait()
        with Endpoint(f"http://127.0.0.1:{service.port}") as endpoint:
            output = endpoint.schema()["output"]

            def lines() -> Iterator[Any]:
                for place, line in enumerate(read_labels(tmp_path / "labels.jsonl", output, lambda _: [])):
                    if place == 45:
                        service.process.kill()
                        wait_for(lambda: not _answers(service), what="the service is gone")
                    yield line

            with pytest.raises(FeedbackRefused, match="40 labels, up to line 40") as caught:
                import_labels(
                    endpoint,
                    tmp_path / "labels.jsonl",
                    lines(),
                    model="toy",
                    output=output,
                    size=20,
                    dry_run=False,
                    report=QuietReport(Output()),
                )

    assert caught.value.details["line"] == 40
    assert "again" in caught.value.fix


def test_nobody_there() -> None:
    """Without a service the error must say so."""
    with Endpoint(f"http://127.0.0.1:{free_port()}") as endpoint, pytest.raises(NotRunning):
        endpoint.feedback([{"request_id": "a", "row": 0, "label": 1}])


def _answers(service: Service) -> bool:
    try:
        service.get("/livez")
    except OSError:
        return False
    return True


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
