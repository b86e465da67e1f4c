"""What the drift engine costs and how soon it sees a change.

    python bench/drift.py [--quick]

Costs are CPU time of one thread: building a profile of 10,000 rows, rows per second in batches of 100 as events carry them (lists) and as
arrays, memory of the process. Then rows until the first alarm after a change, as the median of many runs with ten columns, a reference of
10,000 rows and batches of 100, beside the number of false alarms in rows without a change; without and with pairs of columns.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is imported

import argparse
import resource
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

BEFORE = time.process_time()
from mlsandbox_serving.drift import Monitor, Settings, build_profile  # noqa: E402  # its import is timed

IMPORTED = time.process_time() - BEFORE
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support.drift_rows import NONE, Change, Rows, rows  # noqa: E402  # the same rows as in the tests

BATCH = 100
CHANGES = {
    "0.1 sd": Change(shift=0.1),
    "0.25 sd": Change(shift=0.25),
    "0.5 sd": Change(shift=0.5),
    "1 sd": Change(shift=1.0),
    "variance x 1.5": Change(stretch=1.5),
    "category 10% to 20%": Change(grow=0.2),
    "correlation 0.6 to 0": Change(correlation=0.0),
    "new category 2%": Change(new=0.02),
    "missing 10%": Change(missing=0.1),
    "0.5 sd over 10,000": Change(shift=0.5, gradual=10_000),
}
LONGEST = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs and rows: about a minute")
    options = parser.parse_args()
    runs, quiet = (7, 200_000) if options.quick else (50, 3_000_000)
    print(f"import: {IMPORTED * 1000:.0f} ms without numpy's own")
    print("\n| columns | build | rows/s, lists | rows/s, arrays | state |\n|---|---|---|---|---|")
    for columns in (10, 100):
        print(cost(columns), flush=True)
    print(f"\nmemory at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, numpy and the test data included")
    budgets = (1e5, 1e6)
    print(f"\nrows to the alarm, median of {runs} runs; - when more than half had none in {LONGEST:,} rows")
    print("\n| engine | " + " | ".join(CHANGES) + f" | false alarms in {quiet:,} rows |\n" + "|---" * (len(CHANGES) + 2) + "|")
    for budget in budgets:
        for pairs in (0, 50):
            print(delays(Settings(budget, pairs=pairs), runs, quiet), flush=True)


def cost(columns: int) -> str:
    """A line of the table of costs."""
    random = np.random.default_rng(1)

    def table(count: int) -> Rows:
        parts = [rows(random, count) for _ in range(columns // 10)]
        return {f"{name}_{number}": values for number, part in enumerate(parts) for name, values in part.items()}

    reference = table(10_000)
    began = time.process_time()
    profile = build_profile(reference)
    built = time.process_time() - began
    arrays = [table(BATCH) for _ in range(100)]
    lists = [{name: values.tolist() for name, values in batch.items()} for batch in arrays]
    speeds = []
    monitor = Monitor(profile, Settings())
    for batches in (lists, arrays):
        began = time.process_time()
        for _ in range(3):
            for batch in batches:
                monitor.update(batch)
        speeds.append(3 * len(batches) * BATCH / (time.process_time() - began))
    state = len(monitor.state())
    return f"| {columns} | {built * 1000:.0f} ms | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {state / 1024:.0f} KiB |"


def delays(settings: Settings, runs: int, quiet: int) -> str:
    """A line of the table of delays."""
    cells = []
    for change in CHANGES.values():
        found = sorted(delay(settings, change, seed) for seed in range(runs))
        late = found[len(found) // 2] >= LONGEST
        cells.append("-" if late else f"{median(found):,.0f}")
    name = f"budget {settings.rows_between_false_alarms:,.0f}, {settings.pairs or 'no'} pairs"
    return f"| {name} | " + " | ".join(cells) + f" | {false_alarms(settings, quiet)} |"


def delay(settings: Settings, change: Change, seed: int) -> int:
    """Rows from the change to the first alarm, after a thousand rows without one."""
    random = np.random.default_rng(seed)
    monitor = Monitor(build_profile(rows(random, 10_000)), settings)
    monitor.update(rows(random, 1_000))
    before = monitor.alarms
    for first in range(0, LONGEST, BATCH):
        monitor.update(rows(random, BATCH, change, first))
        if monitor.alarms > before:
            return first + BATCH
    return LONGEST


def false_alarms(settings: Settings, count: int) -> int:
    """Alarms in rows like the reference's, which is drawn anew every 100,000 rows."""
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(0, count, 100_000):
        monitor = Monitor(build_profile(rows(random, 10_000)), settings)
        for _ in range(10):
            monitor.update(rows(random, 10_000, NONE))
        alarms += monitor.alarms
    return alarms


if __name__ == "__main__":
    main()
