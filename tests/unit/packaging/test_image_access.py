"""What a build is handed of this machine's settings for packages."""

from __future__ import annotations

import csv
import hashlib
import shlex
from pathlib import Path

import pytest

from mlsandbox.errors import ImageBuildFailed
from mlsandbox.packaging.image_access import BuildAccess, build_access, copy_wheels, refuse_unreachable, write_secrets
from mlsandbox.run import mask_passwords

INDEX = "https://robot:s3cret@index.example.org/simple"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user with nothing set, and no configuration file of pip."""
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}


def sourced(access: BuildAccess, folder: Path, *, authorities: Path | None = None) -> tuple[dict[str, str], dict[str, Path]]:
    """The variables that a shell has after reading the secret, and the secrets by name."""
    words = write_secrets(access, folder, authorities=authorities)
    pairs = [dict(part.split("=", 1) for part in next(csv.reader([word]))) for word in words[1::2]]
    secrets = {pair["id"]: Path(pair["src"]) for pair in pairs}
    lines = [shlex.split(line) for line in secrets["install"].read_text().splitlines()]
    assert {word for word, _ in lines} == {"export"}
    return dict(setting.split("=", 1) for _, setting in lines), secrets


def test_nothing_set_hands_over_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    """Without settings a build must reach the usual index in the usual way."""
    access = build_access("", environ)
    variables, secrets = sourced(access, tmp_path)

    assert (access.links, access.proxies, access.network, access.notes) == ((), {}, "default", ())
    assert set(secrets) == {"install"}
    assert not [name for name in variables if name.startswith(("PIP_", "SSL_"))]


def test_pips_index_reaches_uv_and_pip_as_a_secret(environ: dict[str, str], tmp_path: Path) -> None:
    """An index with a password must be in the secret alone, readable by its owner only, for uv and for pip."""
    access = build_access("", {**environ, "PIP_INDEX_URL": INDEX, "PIP_EXTRA_INDEX_URL": "https://b.example.org https://c.example.org"})
    variables, secrets = sourced(access, tmp_path)

    assert variables["UV_DEFAULT_INDEX"] == variables["PIP_INDEX_URL"] == INDEX
    assert variables["UV_INDEX"] == "https://b.example.org https://c.example.org"
    assert secrets["install"].stat().st_mode & 0o077 == 0


def test_uvs_own_settings_win(environ: dict[str, str], tmp_path: Path) -> None:
    """What is set for uv itself, with its passwords, must be handed over as it is."""
    own = {"UV_DEFAULT_INDEX": "https://own.example.org/simple", "UV_INDEX_CORP_PASSWORD": 'it\'s "quoted" $HOME'}
    variables, _ = sourced(build_access("", {**environ, **own, "PIP_INDEX_URL": INDEX}), tmp_path)

    assert variables.items() >= own.items()


def test_files_of_the_user_are_mounted(environ: dict[str, str], tmp_path: Path) -> None:
    """Passwords in ~/.netrc, uv's own file and pip's authorities must reach the build as files."""
    (tmp_path / ".netrc").write_text("machine index.example.org login robot password s3cret\n")
    (tmp_path / "pip.pem").write_text("PIP\n")
    (tmp_path / "ours.pem").write_text("OURS\n")
    (tmp_path / "private").mkdir()
    access = build_access("", {**environ, "PIP_CERT": str(tmp_path / "pip.pem")})
    variables, secrets = sourced(access, tmp_path / "private", authorities=tmp_path / "ours.pem")

    assert variables["NETRC"] == "/run/secrets/netrc"
    assert variables["SSL_CERT_FILE"] == variables["PIP_CERT"] == "/run/secrets/authorities"
    assert secrets["netrc"] == tmp_path / ".netrc"
    assert secrets["authorities"].read_text().split() == ["PIP", "OURS"]


def test_an_index_on_loopback_needs_the_hosts_network(environ: dict[str, str]) -> None:
    """An index or a proxy that listens on this machine only must be reachable from the build."""
    assert build_access("", {**environ, "PIP_INDEX_URL": "http://127.0.0.1:3141/simple"}).network == "host"
    assert build_access("localhost:3128", environ).network == "host"
    assert build_access("proxy.example.org:3128", environ).network == "default"


def test_the_projects_proxy_wins(environ: dict[str, str]) -> None:
    """`stack.proxy` must replace the proxies of the environment, and leave its exceptions."""
    around = {**environ, "https_proxy": "http://old.example.org", "NO_PROXY": "example.org"}

    assert build_access("", around).proxies == {"HTTPS_PROXY": "http://old.example.org", "NO_PROXY": "example.org"}
    assert build_access("new.example.org:80", around).proxies == {
        "HTTP_PROXY": "http://new.example.org:80",
        "HTTPS_PROXY": "http://new.example.org:80",
        "NO_PROXY": "example.org",
    }


def test_a_proxy_is_handed_over_as_an_address(environ: dict[str, str]) -> None:
    """A proxy that is written without a scheme must get one: passwords are hidden in addresses alone."""
    access = build_access("", {**environ, "HTTPS_PROXY": "robot:s3cret@proxy.example.org:3128"})

    assert access.proxies == {"HTTPS_PROXY": "http://robot:s3cret@proxy.example.org:3128"}
    assert "s3cret" not in mask_passwords(str(access.proxies))


def test_what_is_no_address_is_no_crash(environ: dict[str, str]) -> None:
    """An index that nobody can reach must be said so by who uses it."""
    assert build_access("", {**environ, "PIP_INDEX_URL": "http://[nowhere/simple"}).network == "default"


def test_folders_with_commas_are_handed_over(environ: dict[str, str], tmp_path: Path) -> None:
    """The arguments are CSV: a comma or a quote in the path of a secret must not end it."""
    home = tmp_path / 'a,b "c"'
    home.mkdir()
    (home / ".netrc").write_text("machine index.example.org login robot password s3cret\n")
    _, secrets = sourced(build_access("", {**environ, "HOME": str(home)}), tmp_path)

    assert secrets["netrc"] == home / ".netrc"


@pytest.mark.parametrize("name", ["odd(name-1.0.whl", "my.model-1.0.whl", "(a+)+$-1.0.whl", "[-1.0.tar.gz"])
def test_names_of_files_are_no_patterns(tmp_path: Path, name: str) -> None:
    """Whatever files lie in a local folder, only the names that the lock has must be looked for."""
    links = tmp_path / "links"
    links.mkdir()
    (links / name).write_text(name)
    access = BuildAccess({}, {}, (links,), {}, "default", ())
    copy_wheels(access, f"my-model==1.0 --hash=sha256:{hashlib.sha256(name.encode()).hexdigest()}\n", tmp_path / "wheels")

    assert [file.name for file in (tmp_path / "wheels").iterdir()] == [name] * name.startswith("my")


def test_locked_distributions_of_local_folders_go_in(environ: dict[str, str], tmp_path: Path) -> None:
    """Of the folders that pip finds distributions in, those that the lock names by hash must go into the build, and no others."""
    links = tmp_path / "links"
    links.mkdir()
    names = ["my_model-1.0-py3-none-any.whl", "my_model-2.0-py3-none-any.whl", "other-1.0.tar.gz"]
    for name in names:
        (links / name).write_text(name)
    digest = hashlib.sha256(names[0].encode()).hexdigest()
    access = build_access("", {**environ, "PIP_FIND_LINKS": f"{links} https://links.example.org/"})
    copy_wheels(access, f"my-model==1.0 \\\n    --hash=sha256:{digest}\n", tmp_path / "wheels")
    (tmp_path / "private").mkdir()
    variables, _ = sourced(access, tmp_path / "private")

    assert [file.name for file in (tmp_path / "wheels").iterdir()] == names[:1]
    assert variables["UV_FIND_LINKS"] == "https://links.example.org/,/run/wheels"


def test_an_index_on_disk_cannot_be_reached(environ: dict[str, str]) -> None:
    """An index in a folder must be refused before the build, with what to do instead."""
    access = build_access("", {**environ, "PIP_INDEX_URL": "file:///srv/simple"})

    assert access.notes
    with pytest.raises(ImageBuildFailed, match="engine embedded"):
        refuse_unreachable(access, "churn v1")
