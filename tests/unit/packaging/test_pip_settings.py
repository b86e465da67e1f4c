"""pip's configuration in uv's terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsandbox.packaging.pip_settings import uv_settings


def settings(tmp_path: Path, environ: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The settings with an empty system, home and interpreter, but for what a test wrote there."""
    found = uv_settings({"HOME": str(tmp_path / "home"), **environ}, prefix=tmp_path / "prefix", root=tmp_path / "root")
    return dict(found.env), found.flags


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


CASES = [
    ({"PIP_INDEX_URL": "https://one.test/simple"}, {"UV_DEFAULT_INDEX": "https://one.test/simple"}),
    (
        {"PIP_EXTRA_INDEX_URL": "https://a.test/s\n https://b.test/s"},
        {"UV_INDEX": "https://a.test/s https://b.test/s", "UV_INDEX_STRATEGY": "unsafe-best-match"},
    ),
    ({"PIP_FIND_LINKS": "https://wheels.test/x / /no/such/folder"}, {"UV_FIND_LINKS": "https://wheels.test/x,/"}),
    ({"PIP_CERT": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
    ({"PIP_CERT": "/"}, {"SSL_CERT_DIR": "/"}),
    ({"REQUESTS_CA_BUNDLE": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
    ({"PIP_CLIENT_CERT": "/me.pem"}, {"SSL_CLIENT_CERT": "/me.pem"}),
    ({"PIP_PROXY": "proxy.test:3128"}, {"HTTPS_PROXY": "http://proxy.test:3128", "HTTP_PROXY": "http://proxy.test:3128"}),
    ({"PIP_TRUSTED_HOST": "a.test b.test:8443"}, {"UV_INSECURE_HOST": "a.test b.test:8443"}),
    ({"PIP_CONSTRAINT": "/c1.txt /c2.txt"}, {"UV_CONSTRAINT": "/c1.txt /c2.txt"}),
    ({"PIP_DEFAULT_TIMEOUT": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
    ({"PIP_TIMEOUT": "2.5"}, {"UV_HTTP_TIMEOUT": "2"}),
    ({"PIP_TIMEOUT": "soon"}, {}),
    ({"PIP_RETRIES": "7"}, {"UV_HTTP_RETRIES": "7"}),
    ({"PIP_KEYRING_PROVIDER": "subprocess"}, {"UV_KEYRING_PROVIDER": "subprocess"}),
    ({"PIP_INDEX_URL": ""}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("environ", "expected"), CASES, ids=[" ".join(case[0]) or "nothing" for case in CASES])
def test_variables(tmp_path: Path, environ: dict[str, str], expected: dict[str, str]) -> None:
    """Each option of pip must become the variables that mean the same to uv."""
    assert settings(tmp_path, environ) == (expected, ())


@pytest.mark.parametrize(("value", "flags"), [("1", ("--no-index",)), ("true", ("--no-index",)), ("0", ()), ("false", ())])
def test_no_index(tmp_path: Path, value: str, flags: tuple[str, ...]) -> None:
    """Pip's no-index must become uv's flag, for which uv has no variable."""
    assert settings(tmp_path, {"PIP_NO_INDEX": value})[1] == flags


@pytest.mark.parametrize(
    "own", [{"UV_DEFAULT_INDEX": "https://uv.test"}, {"UV_INDEX_URL": "https://uv.test"}], ids=["UV_DEFAULT_INDEX", "UV_INDEX_URL"]
)
def test_uv_settings_win(tmp_path: Path, own: dict[str, str]) -> None:
    """A variable that the user set for uv must not be overridden by pip's settings."""
    assert settings(tmp_path, {"PIP_INDEX_URL": "https://pip.test", **own}) == ({}, ())


def test_files_in_order(tmp_path: Path) -> None:
    """Later files must win over earlier ones, and variables over all files."""
    places = [
        tmp_path / "root/etc/xdg/pip/pip.conf",
        tmp_path / "root/etc/pip.conf",
        tmp_path / "home/.pip/pip.conf",
        tmp_path / "home/.config/pip/pip.conf",
        tmp_path / "prefix/pip.conf",
    ]
    for number, place in enumerate(places):
        write(place, f"[global]\nindex-url = https://{number}.test\n")
        assert settings(tmp_path, {})[0] == {"UV_DEFAULT_INDEX": f"https://{number}.test"}
    chosen = write(tmp_path / "chosen.conf", "[global]\nindex_url = https://chosen.test\n")
    environ = {"PIP_CONFIG_FILE": str(chosen)}
    assert settings(tmp_path, environ)[0] == {"UV_DEFAULT_INDEX": "https://chosen.test"}
    assert settings(tmp_path, {**environ, "PIP_INDEX_URL": "https://env.test"})[0] == {"UV_DEFAULT_INDEX": "https://env.test"}


def test_chosen_file_replaces_the_users(tmp_path: Path) -> None:
    """With PIP_CONFIG_FILE pip leaves the user's own file out, and so must we; os.devnull leaves out all files."""
    write(tmp_path / "home/.config/pip/pip.conf", "[global]\nproxy = p:1\n")
    chosen = write(tmp_path / "chosen.conf", "[global]\ntimeout = 9\n")
    assert settings(tmp_path, {"PIP_CONFIG_FILE": str(chosen)})[0] == {"UV_HTTP_TIMEOUT": "9"}
    assert settings(tmp_path, {"PIP_CONFIG_FILE": "/dev/null"})[0] == {}


def test_install_section_wins(tmp_path: Path) -> None:
    """Options of [install] must win over [global]; lists may span lines."""
    write(
        tmp_path / "home/.config/pip/pip.conf", "[global]\ntimeout = 9\n[install]\ntimeout = 11\nfind-links =\n    /\n    https://w.test\n"
    )
    assert settings(tmp_path, {})[0] == {"UV_HTTP_TIMEOUT": "11", "UV_FIND_LINKS": "/,https://w.test"}


def test_broken_file_is_left_to_pip(tmp_path: Path) -> None:
    """A file that pip could not read either must not keep a sandbox from starting."""
    write(tmp_path / "prefix/pip.conf", "this is no configuration")
    assert settings(tmp_path, {}) == ({}, ())
