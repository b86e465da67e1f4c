"""fluentd/*.conf: no event lost, nothing unbounded, and the same names, ports and paths as the stack has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from mlsandbox.assets import asset, asset_path
from mlsandbox.stack.components import fluentd as component
from mlsandbox.stack.components.base import StackInputs
from mlsandbox.stack.spec import Asset, DataFolder, ServiceSpec
from mlsandbox_serving.contract import Env, Field, Index, Port
from mlsandbox_serving.elasticsearch import templates
from mlsandbox_serving.spool.segment import MAX_RECORD_BYTES
from support.fluentd_conf import Section, read, seconds, size, variables

DOCKERFILE = "compose/images/fluentd/Dockerfile"
IMAGES = tomllib.loads(asset("compose/images.toml"))
SECRETS = ("password", "user", "api_key", "shared_key", "cloud_auth", "client_key")
FROM_FILE = "#{(file = ENV['SANDBOX_ELASTICSEARCH_URL_FILE'].to_s).empty? ? use_nil : begin; "
MEGABYTE = 1024**2


@pytest.fixture(scope="module")
def conf() -> Section:
    return read(Path(asset_path("fluentd/fluent.conf")))


@pytest.fixture(scope="module")
def service() -> ServiceSpec:
    (found,) = component.FLUENTD.services(StackInputs("p", "127.0.0.1", (), {}, frozenset()), ())
    return found


def outputs(conf: Section) -> list[Section]:
    """Every output to Elasticsearch."""
    return [each for each in conf.walk() if each.name == "match" and each.parameters["@type"] == "elasticsearch"]


def output(conf: Section, name: str) -> Section:
    (found,) = [each for each in conf.walk() if each.parameters.get("@id") == name]
    return found


def test_ports(conf: Section, service: ServiceSpec) -> None:
    """Fluentd must listen where the stack says that it does."""
    ports = {each.parameters["@type"]: int(each.parameters["port"]) for each in conf.all("source") if "port" in each.parameters}

    assert ports == {"forward": service.port(Port.FLUENTD).number, "prometheus": service.port(component.METRICS_PORT).number}


def test_environment(service: ServiceSpec) -> None:
    """Every variable of the files must be set by the stack, and every one that it sets must be used; a cluster sets the file of the URL."""
    used = [variables(asset(f"fluentd/{name}")) for name in service.files]

    assert {name for each in used for name in each} == {*service.env, Env.ELASTICSEARCH_URL_FILE}


def test_defaults(conf: Section, service: ServiceSpec) -> None:
    """Without the variables, everything must be where it is in the stack's own container."""
    (folder,) = [each for each in service.env.values() if isinstance(each, DataFolder)]
    texts = [value for each in conf.walk() for value in each.parameters.values()]

    assert {default for text in texts for default in variables(text).values() if default} == {
        folder.mount,
        "http://elasticsearch:9200",
        "0.0.0.0",  # noqa: S104 - inside of a container
    }


def test_files(service: ServiceSpec) -> None:
    """Every file that is included must be given to the container."""
    included = re.findall(r"^\s*@include (.+)$", asset("fluentd/fluent.conf"), re.MULTILINE)

    assert included
    assert {"fluent.conf", *included} == set(service.files)
    assert all(isinstance(each, Asset) for each in service.files.values())


def test_event_id(conf: Section) -> None:
    """An event that is delivered twice must be one document: its id is the record's own key, dots and all."""
    assert {each.parameters["id_key"] for each in outputs(conf)} == {f"$['{Field.EVENT_ID}']"}
    assert {each.parameters["write_operation"] for each in outputs(conf)} == {"index"}


def test_indices(conf: Section) -> None:
    """Each output must write to daily indices, in UTC, that a template is for."""
    prefixes = {each.parameters["@id"]: each.parameters["logstash_prefix"] for each in outputs(conf)}

    assert prefixes == {
        "elasticsearch": Index.EVENTS,
        "dead_letter": Index.DEAD_LETTER,
        "dead_letter_reason": Index.DEAD_LETTER,
    }
    for each in outputs(conf):
        assert (each.parameters["logstash_format"], each.parameters["logstash_dateformat"]) == ("true", "%Y.%m.%d")
        assert each.parameters["utc_index"] == "true"


def test_no_sniffing(conf: Section) -> None:
    """Elasticsearch must be reached by its name, never by the addresses that it tells, and not be needed at the start."""
    for each in outputs(conf):
        wanted = {"reload_connections": "false", "reload_on_failure": "false", "verify_es_version_at_startup": "false"}
        assert wanted.items() <= each.parameters.items()


def test_retries(conf: Section) -> None:
    """What cannot be written must be tried again for ever, at least every 30 seconds."""
    for each in outputs(conf):
        buffer = each.one("buffer").parameters
        assert buffer["retry_forever"] == "true"
        assert buffer["retry_type"] == "exponential_backoff"
        assert seconds(buffer["retry_max_interval"]) <= 30


@pytest.mark.parametrize("name", ["elasticsearch", "dead_letter"])
def test_full_buffer(conf: Section, name: str) -> None:
    """A full buffer must hold events off, so that they stay with their sender; what is thrown would go to @ERROR, acknowledged."""
    assert output(conf, name).one("buffer").parameters["overflow_action"] == "block"


def test_buffers(conf: Section) -> None:
    """Buffers must lie in files of their own on the volume, bounded, and be emptied at a stop."""
    buffers = [each.parameters for each in conf.walk() if each.name == "buffer"]

    assert all(each["@type"] == "file" and each["flush_at_shutdown"] == "true" for each in buffers)
    assert all(variables(each["path"]).keys() == {"FLUENTD_BUFFER_DIR"} for each in buffers)
    assert len({each["path"] for each in buffers}) == len(buffers)
    assert all(size(each["chunk_limit_size"]) < size(each["total_limit_size"]) <= 512 * MEGABYTE for each in buffers)
    assert sum(size(each["total_limit_size"]) for each in buffers) <= 1024 * MEGABYTE


def test_largest_event(conf: Section) -> None:
    """The largest event that a spool takes must fit into a chunk; usual events must make small requests all the same."""
    buffer = output(conf, "elasticsearch").one("buffer").parameters

    assert size(buffer["chunk_limit_size"]) > MAX_RECORD_BYTES + MEGABYTE
    assert int(buffer["chunk_limit_records"]) <= 5_000
    assert not [each for each in conf.all("source") if "chunk_size_limit" in each.parameters]


def test_requests(conf: Section) -> None:
    """No request may be split: the plugin then takes a refused document for its neighbour."""
    assert not [each for each in conf.walk() if "bulk_message_request_threshold" in each.parameters]


def test_searchable_soon(conf: Section) -> None:
    """An event must be searchable within five seconds: flush, the pause between two looks, refresh."""
    buffer = output(conf, "elasticsearch").one("buffer").parameters
    refresh = templates.event_template()["template"]["settings"]["index"]["refresh_interval"]

    assert buffer["flush_mode"] == "interval"
    assert seconds(buffer["flush_interval"]) + 1.0 + seconds(refresh) < 5


def test_whole_ails(conf: Section) -> None:
    """Errors of the whole of Elasticsearch must keep the chunk back instead of taking its documents through the buffer again."""
    for each in outputs(conf):
        kinds = each.parameters["unrecoverable_error_types"]
        assert {"es_rejected_execution_exception", "cluster_block_exception", "circuit_breaking_exception"} <= set(
            re.findall(r"\w+", kinds)
        )


def test_dead_letters(conf: Section) -> None:
    """A refused document must become one dead letter: text, with an id that is allowed; and never a dead letter of a dead letter."""
    label = conf.one("label", "@DEAD_LETTER")
    grep, transform = label.all("filter")
    record = transform.one("record").parameters

    assert grep.one("exclude").parameters == {"key": f"$['{Field.EVENT_KIND}']", "pattern": f"/\\A{record[Field.EVENT_KIND]}\\z/"}
    assert set(record) <= set(templates.dead_letter_template()["template"]["mappings"]["properties"])
    assert "bytesize.between?(1, 512)" in record[Field.EVENT_ID]
    assert "byteslice" in record["sandbox.dead_letter.document"]


def test_dead_letters_refused(conf: Section) -> None:
    """What @ERROR gets must go to the dead letters, and what even these refuse to a file."""
    stores = conf.one("label", "@ERROR").one("match").all("store")

    assert [each.parameters["@label"] for each in stores] == ["@DEAD_LETTER", "@REFUSED_AGAIN"]
    assert conf.one("label", "@REFUSED_AGAIN").one("match").parameters["@type"] == "file"


def test_reasons(conf: Section) -> None:
    """The reason of a refusal must lie beside it, and a refused reason must not make another one."""
    grep, transform = conf.one("label", "@FLUENT_LOG").all("filter", "fluent.warn")

    assert grep.one("exclude").parameters == {"key": "tag", "pattern": "/\\Afluent\\./"}
    assert transform.one("record").parameters[Field.EVENT_KIND] == "pipeline_error"


def test_secondary(conf: Section) -> None:
    """What Fluentd itself cannot handle must be kept on the volume, not in the container."""
    for name in ("elasticsearch", "dead_letter"):
        secondary = output(conf, name).one("secondary").parameters
        assert secondary["@type"] == "secondary_file"
        assert variables(secondary["directory"]).keys() == {"FLUENTD_BUFFER_DIR"}


def test_names(conf: Section) -> None:
    """Every input and output must have a name: it is a label of its metrics, and else another one after each start."""
    named = [each.parameters.get("@id") for each in conf.walk() if each.name in {"source", "match", "store"}]

    assert None not in named
    assert len(set(named)) == len(named)


def test_no_secrets(conf: Section) -> None:
    """No file may hold a password or a key; whoever asks Elasticsearch is named by a file that the cluster has."""
    stated = [(name, value) for each in conf.walk() for name, value in each.parameters.items() if name in SECRETS]

    assert {name for name, _ in stated} == {"user", "password"}
    assert all(value.startswith(FROM_FILE) for _, value in stated)


def test_versions(conf: Section) -> None:
    """Client, server and what the plugin takes the server for must be of one major version; every gem must be pinned."""
    recipe = asset(DOCKERFILE)
    gems = dict(re.findall(r"^ +([a-z_-]+):([\d.]+) \\$", recipe, re.MULTILINE))
    server = IMAGES["elasticsearch"]["image"].partition(":")[2].partition(".")[0]

    assert {"fluent-plugin-elasticsearch", "fluent-plugin-prometheus", "elasticsearch"} <= gems.keys()
    assert all(version.count(".") == 2 for version in gems.values())
    assert gems["elasticsearch"].partition(".")[0] == gems["elasticsearch-api"].partition(".")[0] == server
    assert {each.parameters["default_elasticsearch_version"] for each in outputs(conf)} == {server}


def test_base() -> None:
    """Built by hand, the image must have the base that the stack gives it."""
    assert f"ARG BASE={IMAGES['fluentd']['image']}\n" in asset(DOCKERFILE)


def test_volume(service: ServiceSpec) -> None:
    """The image must have the folder of the buffers, owned by the user that it ends with."""
    (folder,) = [each for each in service.env.values() if isinstance(each, DataFolder)]
    recipe = asset(DOCKERFILE)

    assert f"install --directory --owner=fluent --group=fluent {folder.mount}\n" in recipe
    assert recipe.rstrip().endswith("USER fluent")
