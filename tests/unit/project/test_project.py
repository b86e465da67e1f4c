"""sandbox.toml, variables and flags become one checked project that knows where each value came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mlsandbox.errors import ConfigInvalid, ProjectNotFound
from mlsandbox.project import Override, Project, find_project, load_project, name_in, read_project
from mlsandbox.setting_kinds import Duration
from mlsandbox.setting_reader import SettingReader
from mlsandbox.settings import setting

ROOT = Path("/projects/churn")
MINIMAL = """\
name = "churn-demo"

[models.churn]
path = "model/model.joblib"
"""


@dataclass(frozen=True)
class Later:
    """Settings of a later version."""

    speed: float = setting("How fast.", Duration(), 1.0, reserved=True)


def read(text: str = MINIMAL, *, overrides: tuple[Override, ...] = (), **environ: str) -> Project:
    """The project of a text."""
    return read_project(ROOT, text, overrides=overrides, environ=environ)


def faults(text: str, **environ: str) -> str:
    """What is said of a text that is wrong."""
    with pytest.raises(ConfigInvalid) as caught:
        read_project(ROOT, text, environ=environ)
    return caught.value.why


def test_everything_but_name_and_path_has_a_default() -> None:
    """A name and one model's path must be enough."""
    project = read()
    model = project.models["churn"]

    assert (project.name, project.stack.engine, project.stack.host, project.log.retention) == ("churn-demo", "auto", "127.0.0.1", 604_800)
    assert (model.path, model.entry, model.reference) == (ROOT / "model/model.joblib", None, None)
    assert (model.serving.workers, model.serving.max_body, model.output) == (1, 10_000_000, "predict_proba")
    assert project.reserved == ()


def test_values_remember_where_they_came_from() -> None:
    """A flag must win over a variable, a variable over the file, the file over the default, and each must be named with its line."""
    text = MINIMAL + '\n[log]\nretention = "2d"\nspool_size = "2GB"\n[stack]\nengine = "embedded"\n'
    project = read(
        text,
        overrides=(Override("stack.engine", "docker", "--engine"),),
        SANDBOX_ENGINE="embedded",
        SANDBOX_LOG_RETENTION="12h",
    )

    origins = {
        path: (project.origin(path).value, project.origin(path).source)
        for path in ("stack.engine", "log.retention", "log.spool_size", "log.inputs")
    }

    assert origins == {
        "stack.engine": ("docker", "--engine"),
        "log.retention": ("12h", "SANDBOX_LOG_RETENTION"),
        "log.spool_size": ("2GB", "sandbox.toml:8"),
        "log.inputs": (True, "default"),
    }
    assert project.log.retention == 43_200


def test_variables_reach_models_and_ports() -> None:
    """A variable must be able to set any setting, of a model and of a port too."""
    project = read(
        SANDBOX_MODELS_CHURN_SERVING_WORKERS="3", SANDBOX_STACK_PORTS_LOG_STORE="9000", SANDBOX_MODELS_CHURN_PRIVATE="email, phone"
    )

    assert project.models["churn"].serving.workers == 3
    assert project.models["churn"].private == ("email", "phone")
    assert dict(project.stack.ports) == {"log-store": 9000}


def test_a_flag_pins_and_unpins_a_port() -> None:
    """`--port N` must pin the port, `--port auto` must take the file's pin away."""
    text = MINIMAL + "\n[stack.ports]\napi = 7000\n"

    pinned = read(text, overrides=(Override("stack.ports.api", "8000", "--port"),))
    unpinned = read(text, overrides=(Override("stack.ports.api", None, "--port"),))

    assert dict(pinned.stack.ports) == {"api": 8000}
    assert pinned.origin("stack.ports.api").source == "--port"
    assert dict(unpinned.stack.ports) == {}


def test_all_mistakes_are_told_at_once_with_line_and_nearest_key() -> None:
    """Every mistake must be listed with its line, and an unknown key with the nearest known one."""
    why = faults(MINIMAL + 'referense = "a.csv"\n[log]\nretention = "7x"\n[models.churn.serving]\nmax_row = 5\n[stak]\n')

    assert set(why.splitlines()) == {
        'sandbox.toml:5: models.churn.referense is not a setting; did you mean "reference"?',
        'sandbox.toml:9: models.churn.serving.max_row is not a setting; did you mean "max_rows"?',
        'sandbox.toml:7: log.retention must be a duration such as "30s", "5m" or "7d", not \'7x\'',
        'sandbox.toml:10: stak is not a setting; did you mean "stack"?',
    }


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[models.Churn]", "is a name that must be"),
        ("[models.churn.serving]\nworkers = 0", "must be from 1 to 64, not 0"),
        ("[models.churn.serving]\nworkers = true", "must be a whole number"),
        ('[models.churn.serving]\nmax_body = "10 apples"', "must be a size"),
        ("[log]\ninputs = 1", "must be true or false"),
        ('[stack]\nhost = "example.org"', 'must be an address such as "127.0.0.1"'),
        ('[stack]\nengine = "podman"', "must be 'auto' or 'docker' or 'embedded'"),
        ("[stack.ports]\nweb = 80", "is a name that must be a port"),
        ("[stack.ports]\napi = 70000", "must be from 1 to 65535"),
        ('[stack.images]\npython = "--privileged"', "must be the name of an image"),
        ('[stack.images]\npython = "python:3.11\\nRUN evil"', "must be the name of an image"),
        ('[stack]\nregistry = "https://mirror.example.org"', "must be a registry without"),
        ("[models.churn.slo]\navailability = 99.9", "must be a number above 0 and up to 1"),
        ("log = 3", "is not valid TOML"),
    ],
)
def test_wrong_values(line: str, problem: str) -> None:
    """A value of the wrong kind must be refused in words that say which kind is right."""
    with pytest.raises(ConfigInvalid) as caught:
        read(MINIMAL + "\n" + line + "\n" if line.startswith("[") else "log = 3 4\n" + MINIMAL)

    assert problem in f"{caught.value.what} {caught.value.why}"


def test_a_wrong_variable_is_named() -> None:
    """A mistake in a variable must be told with the variable's name, not with a line of the file."""
    assert faults(MINIMAL, SANDBOX_LOG_INPUTS="perhaps") == "SANDBOX_LOG_INPUTS: log.inputs must be true or false, not 'perhaps'"


def test_a_project_without_name_or_model_is_refused() -> None:
    """A file without a name, a model or a model's path must be refused."""
    assert "name is missing" in faults("")
    assert "has no model" in faults('name = "a"')
    assert "models.m.path is missing" in faults('name = "a"\n[models.m]\n')


@pytest.mark.parametrize(
    ("text", "path", "entry"),
    [
        ("predict.py:Predictor", "predict.py", "Predictor"),
        ("code/serve.py:My_Class", "code/serve.py", "My_Class"),
        ("model.onnx", "model.onnx", None),
        ("a/../model.pt", "a/../model.pt", None),
    ],
)
def test_model_paths(text: str, path: str, entry: str | None) -> None:
    """A model's path must be taken relative to the project, with the class of a plain Python file behind a colon."""
    model = read(f'name = "a"\n[models.m]\npath = "{text}"\n').models["m"]

    assert (model.path, model.entry) == (ROOT / path, entry)


@pytest.mark.parametrize("path", ["../model.joblib", "a/../../model.joblib"])
def test_paths_stay_in_the_project(path: str) -> None:
    """A relative path must not lead out of the project; an absolute one is meant."""
    assert "leaves the project folder" in faults(f'name = "a"\n[models.m]\npath = "{path}"\n')
    assert read('name = "a"\n[models.m]\npath = "/models/m.onnx"\n').models["m"].path == Path("/models/m.onnx")


def test_reserved_settings_are_checked_and_named() -> None:
    """A setting that has no effect yet must be accepted, checked, and listed."""
    for given, listed, problems in (("5s", ["speed"], 0), (5, [], 1)):
        reader = SettingReader(ROOT, "", environ={}, overrides=())
        reader.read(Later, {"speed": given})
        assert (reader.reserved, len(reader.faults)) == (listed, problems)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("", False),
        ("api_keys = true", True),
        *((f'host = "{host}"', False) for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost")),
        *((f'host = "{host}"', True) for host in ("0.0.0.0", "::", "192.168.7.5", "fd00::5")),  # noqa: S104 - a value
        ('host = "0.0.0.0"\napi_keys = false', True),
    ],
)
def test_who_needs_a_key(text: str, *, asks: bool) -> None:
    """The API must ask for keys wherever others than this machine reach it, and on loopback when that is wanted."""
    assert read(f"{MINIMAL}\n[stack]\n{text}\n").stack.asks_for_keys is asks


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1:80", "fe80::1%eth0", "[::1]", "0", ""])
def test_hosts_that_cannot_be_meant(host: str) -> None:
    """What is no address must be refused."""
    assert "must be an address such as" in faults(f'{MINIMAL}\n[stack]\nhost = "{host}"\n')


def test_a_project_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project must be found from any folder inside it, and not from a folder that was named and has none."""
    (tmp_path / "sandbox.toml").write_text(MINIMAL)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)

    assert load_project(environ={}).root == tmp_path
    assert find_project(below) == tmp_path
    with pytest.raises(ProjectNotFound):
        load_project(below, environ={})


def test_a_broken_file_still_has_a_name(tmp_path: Path) -> None:
    """Stopping must work whatever is in sandbox.toml, so a name must be had from a wrong file too."""
    (tmp_path / "sandbox.toml").write_text('name = "churn"\nnonsense = 1\n')
    assert name_in(tmp_path) == "churn"
    (tmp_path / "sandbox.toml").write_text("name = [")
    assert name_in(tmp_path) == tmp_path.name


def test_the_fix_names_where_the_mistake_is() -> None:
    """A mistake in a variable must not send anybody into sandbox.toml, and one in the file must."""
    with pytest.raises(ConfigInvalid) as variable:
        read(SANDBOX_DRIFT_ENGINES="foo")
    assert variable.value.fix == "set SANDBOX_DRIFT_ENGINES otherwise, or unset it; then check it with: sandbox config validate"
    with pytest.raises(ConfigInvalid) as both:
        read(MINIMAL + "[drift]\nflag_rows = 3\n", SANDBOX_DRIFT_ENGINES="foo")
    assert "set SANDBOX_DRIFT_ENGINES otherwise, or unset it, and edit " in both.value.fix
    with pytest.raises(ConfigInvalid) as file:
        read(MINIMAL + "[drift]\nflag_rows = 3\n")
    assert file.value.fix == f"edit {ROOT / 'sandbox.toml'}; then check it with: sandbox config validate"
