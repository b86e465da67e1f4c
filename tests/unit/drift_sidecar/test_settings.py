"""The environment as settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.drift_sidecar.settings import Settings, Source, parse_profiles

LEAST = {Env.DRIFT_DIR: "/state", Env.FORWARD_PORT: "1", Env.DRIFT_PORT: "2"}


def test_what_is_not_set_has_a_default() -> None:
    """Folder and ports are all that must be set."""
    settings = Settings.read(LEAST)

    assert (settings.folder, settings.listening.forward_port, settings.listening.probe_port, settings.listening.host) == (
        Path("/state"),
        1,
        2,
        "127.0.0.1",
    )
    assert (settings.profiles, settings.engines) == ({}, ("native",))
    assert settings.monitor.rows_between_false_alarms == 1_000_000


def test_what_is_set_is_taken() -> None:
    """Each variable must arrive; the native engine is always on."""
    settings = Settings.read(
        {
            **LEAST,
            Env.DRIFT_ENGINES: "alibi, alibi",
            Env.DRIFT_ROWS_BETWEEN_FALSE_ALARMS: "5000",
            Env.DRIFT_LEARN_ROWS: "700",
            Env.DRIFT_CHECK_SECONDS: "0.5",
            Env.DRIFT_MAX_PREDICTIONS: "90",
            Env.DRIFT_MAX_AGE_SECONDS: "60",
        }
    )

    assert settings.engines == ("native", "alibi")
    assert (settings.monitor.rows_between_false_alarms, settings.monitor.learn_rows) == (5_000, 700)
    assert (settings.check_seconds, settings.max_predictions, settings.max_age_seconds) == (0.5, 90, 60)


@pytest.mark.parametrize("name", [Env.DRIFT_CHECK_SECONDS, Env.DRIFT_MAX_PREDICTIONS, Env.DRIFT_MAX_AGE_SECONDS])
@pytest.mark.parametrize("value", ["0.0", "-1", "many", "nan"])
def test_numbers_out_of_bounds_are_refused(name: str, value: str) -> None:
    """A number that makes no sense must be refused, not replaced."""
    with pytest.raises(ValueError, match=r"greater than 0|could not convert"):
        Settings.read({**LEAST, name: value})


def test_profiles() -> None:
    """Folders may hold commas, spaces and equals signs."""
    assert parse_profiles("churn/v1=/a,b/c d,churn/v2=/x=y, wine/v10=rel") == {
        Source("churn", "v1"): Path("/a,b/c d"),
        Source("churn", "v2"): Path("/x=y"),
        Source("wine", "v10"): Path("rel"),
    }
    assert parse_profiles("  ") == {}


def test_any_version_means_the_folders_that_are_there(tmp_path: Path) -> None:
    """Of a model with any version each folder must be one; a version that is named must go before the folder that has its name."""
    for name in ("v2", "v10", ".partial"):
        (tmp_path / "churn" / name).mkdir(parents=True)
    (tmp_path / "churn/file").touch()

    assert parse_profiles(f"churn/*={tmp_path}/churn,churn/v2=/own,wine/*={tmp_path}/wine") == {
        Source("churn", "v10"): tmp_path / "churn/v10",
        Source("churn", "v2"): Path("/own"),
    }


@pytest.mark.parametrize("text", ["churn=/a", "churn/v1", "churn/v1=", "/v1=/a", "churn/v1=/a,churn/v1=/b"])
def test_malformed_profiles_are_refused(text: str) -> None:
    """What is not model/version=folder, or is there twice, must be refused."""
    with pytest.raises(ValueError, match=r"is not model/version=folder|has two profiles"):
        parse_profiles(text)
