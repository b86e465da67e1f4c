"""What a running stack was seen to use."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.actions.export_measure import Seen, answered, busiest, idle, in_words, samples
from mlsandbox.actions.measured_file import FILE, measured_text, read_measured
from mlsandbox.errors import ConfigInvalid, StateTooNew
from mlsandbox.render.kubernetes.facts import Measured

PAGE = """\
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 2.5e+08
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{worker="1"} 12.5
process_cpu_seconds_total{worker="2"} 0.5
process_open_fds 12
"""


def test_samples_of_a_page() -> None:
    """Memory and processor time must be those of all processes together."""
    assert samples(PAGE) == (250_000_000.0, 13.0)


def test_the_busiest_moment_counts() -> None:
    """The most memory and the busiest second must be taken, whatever was in between; a restart is no negative load."""
    pages = [(0.0, 100.0, 1.0), (1.0, 300.0, 1.25), (2.0, 200.0, 2.75), (3.0, 200.0, 0.1)]

    assert busiest(pages) == Measured(300, 1.5)


def test_only_predictions_count() -> None:
    """Predictions of both protocols must be counted, and no other requests."""
    page = "".join(
        f'sandbox_requests_total{{model="churn",route="{route}",code="200"}} {count}\n'
        for route, count in (("/predict", 2.0), ("/v2/models/churn/infer", 40.0), ("/metrics", 500.0))
    )

    assert answered(page) == 42.0


def test_what_was_measured_is_told_and_judged() -> None:
    """The numbers must be told with the time and the requests they are of; a stack that had nothing to do must be warned of."""
    found = {"risk": Seen(Measured(2**28, 0.25), 100, "in the last day"), "churn": Seen(Measured(2**27, 0.01), 1, "in 10 s")}

    assert in_words("risk", found["risk"]) == "risk: 256 MiB and 0.25 cores at most, in the last day, 100 predictions answered"
    assert in_words("churn", found["churn"]) == "churn: 128 MiB and 0.01 cores at most, in 10 s, 1 prediction answered"
    (warning,) = idle(found)
    assert warning.startswith("churn answered 1 of the 100 predictions")


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    """Numbers that were kept must come back as they were, as the same text for the same numbers."""
    found = {"risk": Measured(2**28, 0.25), "churn": Measured(2**27, 0.0)}
    (tmp_path / FILE).write_text(measured_text(found))

    assert read_measured(tmp_path) == found
    assert measured_text(read_measured(tmp_path)) == measured_text(found)
    assert read_measured(tmp_path / "nothing") == {}


def test_a_damaged_file_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """The command that measures anew must work as it is, whatever the folder is called."""
    folder = tmp_path / "to the cluster; now"
    folder.mkdir()
    (folder / FILE).write_text("{")
    with pytest.raises(ConfigInvalid) as error:
        read_measured(folder)

    assert f"sandbox export k8s '{folder}' --measured" in error.value.fix


def test_a_file_of_a_later_version(tmp_path: Path) -> None:
    """Numbers that a later version has kept must be refused, with the ways out: what they mean may have changed."""
    (tmp_path / FILE).write_text(measured_text({"churn": Measured(2**27, 0.0)}).replace('"schema": 1', '"schema": 2'))
    with pytest.raises(StateTooNew, match="a later version") as error:
        read_measured(tmp_path)

    assert "--measured" in error.value.fix


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"models": {"churn": {}}}', '{"models": {"churn": {"memory_bytes": 0, "cpus": 1}}}']
    + [f'{{"models": {{"churn": {{"memory_bytes": 1, "cpus": {number}}}}}}}' for number in ("-1", "NaN", "Infinity")],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    """A damaged file must be named with the way to make it anew."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigInvalid) as error:
        read_measured(tmp_path)

    assert FILE in error.value.what
    assert "--measured" in error.value.fix
