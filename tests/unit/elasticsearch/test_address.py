"""Where Elasticsearch is and who asks; the password is in no text."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mlsandbox_serving.contract import Env
from mlsandbox_serving.elasticsearch.address import AUTHORITIES, Stated, parse, stated
from mlsandbox_serving.elasticsearch.client import Client


def test_a_plain_address_names_nobody() -> None:
    """Without a name there must be no authentication."""
    address = parse("http://elasticsearch:9200")

    assert address == ("http://elasticsearch:9200", "elasticsearch", 9200, False, "", {})


def test_name_and_password_are_decoded() -> None:
    """What is percent-encoded must arrive as it was meant, and a plus as a plus."""
    address = parse("https://el%40stic:p%2Fa+s%3As%25%23@es.example.com:9243/prefix/")

    assert address[:5] == ("https://es.example.com:9243/prefix/", "es.example.com", 9243, True, "/prefix")
    scheme, _, credentials = address.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials)) == ("Basic", b"el@stic:p/a+s:s%#")


@pytest.mark.parametrize(("url", "port"), [("https://es.example.com", 443), ("http://es.example.com/", 80)])
def test_a_missing_port_is_the_scheme_s(url: str, port: int) -> None:
    """Fluentd takes the same file: both must ask at the same port."""
    assert parse(url).port == port


@pytest.mark.parametrize(
    "url",
    [
        "",
        "elasticsearch:9200",
        "ftp://e:hidden@h:9200",
        "https://e:hidden@:9200",
        "https://e:hid/den@h:9200",
        "https://e:hid#den@h:9200",
        "https://e:1?hidden@h:9200",
        "https://e:12/hidden@h",
        "https://e:hidden@[h:9200",
        "https://e:hidden@h:many",
    ],
)
def test_what_is_none_is_refused_without_the_password(url: str) -> None:
    """An address that cannot be meant must be refused, and nobody be told what was in front of the host."""
    with pytest.raises(ValueError, match="is no address like") as caught:
        parse(url)

    assert "hid" not in str(caught.value)
    assert "den@" not in str(caught.value)


def test_the_client_shows_no_password() -> None:
    """What the client says of its address must be without name and password."""
    assert Client("https://elastic:hidden@es:9200").url == "https://es:9200"


def test_the_file_goes_before_the_variable(tmp_path: Path) -> None:
    """A file must be taken when one is named, without the end of its line; an empty name names none."""
    file = tmp_path / "url"
    file.write_text("https://elastic:secret@es:9200\n", encoding="utf-8")
    variable = {Env.ELASTICSEARCH_URL: "http://other:9200"}

    assert stated({**variable, Env.ELASTICSEARCH_URL_FILE: str(file)}) == ("https://elastic:secret@es:9200", None)
    assert stated({**variable, Env.ELASTICSEARCH_URL_FILE: ""}) == Stated("http://other:9200")
    with pytest.raises(KeyError):
        stated({})


def test_authorities_beside_the_file(tmp_path: Path) -> None:
    """A certificate that lies beside the address must be what vouches for it."""
    (tmp_path / "url").write_text("https://es:9200", encoding="utf-8")
    (tmp_path / AUTHORITIES).touch()

    assert stated({Env.ELASTICSEARCH_URL_FILE: str(tmp_path / "url")}).authorities == tmp_path / AUTHORITIES
