"""A store that is killed at any instant has what it said it has, each event once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlsandbox_serving.contract import Field
from mlsandbox_serving.performance import PerformanceStore, Window
from support.labelled import Event, label, offline_classes, prediction, same
from support.waiting import wait_for

KILLS = 12
NOW = 1_800_000_000.0
CLASSES = ["no", "yes"]

# Adds batches over and over, as a shipper that never learns of an acknowledgement; names each batch on stdout once it was added.
_ADDER = """
import json, os, sys
from pathlib import Path
from mlsandbox_serving.performance import PerformanceStore
store = PerformanceStore(Path(sys.argv[1]), max_predictions=10**6, max_age=1e9)
batches = json.loads(Path(sys.argv[2]).read_text())
order = json.loads(sys.argv[3])
while True:
    for number in order:
        store.add([(time, record) for time, record in batches[number]])
        os.write(1, f"{number}\\n".encode())
"""


def _events(dice: random.Random) -> tuple[list[Event], list[tuple[str, str, list[float]]]]:
    """Predictions of 300 requests, for each two labels of which the later one holds; and what is true."""
    events: list[Event] = []
    truth = []
    for number in range(300):
        score, true = dice.random(), dice.choice(CLASSES)
        predicted, probabilities = CLASSES[int(score > 0.5)], [1 - score, score]
        events.append(prediction(f"r{number}", [predicted], at=NOW - 90, probabilities=[probabilities], classes=CLASSES))
        events.append(label(f"r{number}", dice.choice(CLASSES), at=NOW - 60))
        events.append(label(f"r{number}", true, at=NOW - 30))
        truth.append((true, predicted, probabilities))
    dice.shuffle(events)
    return events, truth


def test_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    """After many kills and redeliveries every event must count once: what was added before a kill is there, the numbers are right."""
    dice = random.Random(4)
    events, truth = _events(dice)
    batches = [events[start : start + 9] for start in range(0, len(events), 9)]
    (tmp_path / "batches.json").write_text(json.dumps(batches))
    folder, added = tmp_path / "performance", tmp_path / "added"

    for _ in range(KILLS):
        _add_and_kill(folder, tmp_path / "batches.json", added, dice, len(batches))
        _check_added(folder, batches, added)
    store = PerformanceStore(folder, max_predictions=10**6, max_age=1e9)
    for batch in batches:
        store.add(batch)

    totals = store.totals()
    assert (totals.added.predictions, totals.added.labels, totals.added.repeated + totals.added.corrected) == (300, 600, 300)
    assert (totals.kept, totals.labels, totals.unmatched) == (300, 300, 0)
    (found,) = [one for one in store.summary(NOW) if one.window is Window.ALL]
    expected = offline_classes([row[0] for row in truth], [row[1] for row in truth], CLASSES, [row[2] for row in truth])
    assert same(found.metrics, expected)
    store.close()


def _add_and_kill(folder: Path, batches: Path, added: Path, dice: random.Random, count: int) -> None:
    before = added.stat().st_size if added.exists() else 0
    order = json.dumps(dice.sample(range(count), count))
    with added.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", _ADDER, str(folder), str(batches), order], stdout=output)
    wanted = before + dice.randrange(1, 60)
    try:
        wait_for(lambda: added.stat().st_size >= wanted, what="batches were added", every=0.001)
    finally:
        process.kill()
        process.wait()


def _check_added(folder: Path, batches: list[list[Event]], added: Path) -> None:
    """Every batch that was said to be added is: adding it again finds nothing new."""
    store = PerformanceStore(folder, max_predictions=10**6, max_age=1e9)
    for number in {int(line) for line in added.read_text().splitlines()}:
        again: Any = store.add(batches[number])
        assert again.redelivered == len(batches[number]), [record[Field.EVENT_ID] for _, record in batches[number]]
    store.close()


def test_it_needs_numpy_alone() -> None:
    """The sidecar's environment has numpy, and no framework: neither may be imported."""
    code = "import sys, mlsandbox_serving.performance; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sklearn", "pandas", "scipy", "bentoml", "msgpack", "msgspec", "fluent"}

    assert {line.partition(".")[0] for line in done.stdout.splitlines()} & heavy == set()
