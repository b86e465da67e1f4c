"""What is written for people beside a part that was ejected (pure): how it is run, and what is still to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlsandbox.render.ejected import Ejected, Variable
from mlsandbox.render.tree import RenderedFile
from mlsandbox.stack.components.grafana import DASHBOARDS
from mlsandbox.stack.components.model import API_KEYS
from mlsandbox.stack.hosts import bracketed, reached_at
from mlsandbox.stack.spec import StackSpec

_GENERATED: Final = {API_KEYS.name: """printf 'first: %s\\n' "$(openssl rand -hex 32)\""""}
_RANDOM: Final = "openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Written:
    """By whom, as the first line of every file says that can have a comment."""

    version: str
    command: str
    """What writes the same again."""

    @property
    def line(self) -> str:
        return f"Written by mlsandbox {self.version}: {self.command}"

    def header(self, what: str) -> str:
        """The head of a Compose file."""
        return f"# {self.line}\n# {what} README.md says how.\n# Your own changes belong in compose.override.yaml beside it.\n"


def beside(written: Written, ejected: Ejected, readme: str, *, ignored: Sequence[str] = ()) -> tuple[RenderedFile, ...]:
    """README.md, .env.example, .gitignore, and how secrets are made."""
    hidden = [".env", *ignored]
    files = [
        RenderedFile("README.md", f"<!-- {written.line} -->\n{readme}"),
        RenderedFile(".gitignore", f"# {written.line}\n" + "".join(f"/{each}\n" for each in hidden)),
        RenderedFile(".env.example", _example(written, ejected.variables)),
    ]
    if ejected.secrets:
        files += [
            RenderedFile("secrets/.gitignore", f"# {written.line}\n*\n!.gitignore\n!README.md\n"),
            RenderedFile("secrets/README.md", f"<!-- {written.line} -->\n{_secrets_readme(ejected.secrets)}"),
        ]
    return tuple(files)


def compose_readme(spec: StackSpec, ejected: Ejected, *, api: Variable, asks_for_keys: bool, pull: str) -> str:
    """README.md of the whole stack; `pull` is the command that makes its images."""
    key = " \\\n  -H \"authorization: Bearer $(sed -n 's/.*: *//p;q' secrets/api-keys)\"" if asks_for_keys else ""
    url = f"http://{bracketed(reached_at(spec.host))}:{api.default}"
    return f"""\
# {spec.project}: its stack, for Docker Compose alone

Everything that `sandbox up --engine docker` runs for this project, without `sandbox`. It needs Docker Engine 25 and Compose 2.20 or later.

## Run it

{_images_section(ejected.built, pull)}{_secrets_section(ejected.secrets, "Then make")}```
docker compose up -d --wait
```

Ask it, with a row that has the model's columns in `row.json`:

```
curl -s {url}/predict -H 'content-type: application/json' -d @row.json{key}
```

The page at {url}/ shows the columns, with an example. `docker compose down` stops the stack and keeps its data;
`docker compose down --volumes` removes that too.

## You still need to

- choose other ports where the stack of `sandbox up` runs too, or end that one first: `cp .env.example .env` and change them there.
- {_reach(asks_for_keys=asks_for_keys)}
- keep what `docker compose config` says out of tickets when you add variables of your own: it shows all of them.

It is a stack of its own: other containers, networks and volumes than those of `sandbox up`, and neither touches the other's. Only images
may be the same: `sandbox down --volumes` removes those that were built on its machine.

## Change it

| what | where |
|---|---|
| ports | `.env` |
| anything of a container | `compose.override.yaml` beside `compose.yaml`: Compose lays it over |
| what a program is configured with | `config/<service>/`; then `docker compose restart <service>` |
| anything that `sandbox.toml` says | there, then `{_again(ejected)}` |

An export writes all files but yours anew. The folders below `config/` must be readable by every user (`chmod -R a+rX config`): containers
run as users of their own.
"""


def grafana_readme(project: str, written: Written, prometheus: Variable, port: str) -> str:
    """README.md of Grafana alone."""
    files = "\n".join(f"| `dashboards/{uid}.json` | `{uid}` |" for uid in DASHBOARDS)
    return f"""\
# {project}: its dashboards, in a Grafana of their own

The dashboards and the provisioning that the stack's own Grafana has, file by file, and a Compose file that runs Grafana with them.

## Run it

{_secrets_section(("grafana-admin",), "First make")}```
docker compose up -d --wait
```

Then open http://127.0.0.1:{port}/. Nobody needs to sign in to look; `admin` has the password in `secrets/grafana-admin`.

It asks the Prometheus at `{prometheus.name}`, which is {prometheus.default} unless `.env` says otherwise (`cp .env.example .env`).
Grafana runs on this machine's own network, since a stack's Prometheus listens on loopback alone. With Docker Desktop that has to be
allowed: Settings, Resources, Network, "Enable host networking".

Without Docker, from this folder:

```
SANDBOX_DASHBOARDS_DIR="$PWD/dashboards" SANDBOX_PROMETHEUS_URL={prometheus.default} \\
  GF_PATHS_PROVISIONING="$PWD/provisioning" GF_SERVER_HTTP_ADDR=127.0.0.1 GF_SERVER_HTTP_PORT={port} \\
  grafana server --homepath /usr/share/grafana --config /dev/null cfg:paths.data="$PWD/data"
```

## Use the dashboards in a Grafana that you have

They need Grafana 11.6 or later, and name no data source: each asks for one, by the variable "Data source".

- by hand: Dashboards, New, Import, and upload a file of `dashboards/`.
- from files: copy `dashboards/` to where a provider of that Grafana looks, or take `provisioning/dashboards/sandbox.yaml` with
  `SANDBOX_DASHBOARDS_DIR` set to the folder. `provisioning/datasources/prometheus.yaml` adds the data source (uid `sandbox-prometheus`);
  leave it out where a data source for the same Prometheus exists.

| file | uid |
|---|---|
{files}

## You still need to

- have a Prometheus that scrapes the models: the stack's own (`sandbox up`), or what `sandbox export prometheus` writes.
- change the scrape interval in the data source (`timeInterval`) when your Prometheus has another one than 5 s.

Written by `{written.command}`, and anew by the next one.
"""


def prometheus_readme(project: str, written: Written, *, port: str, scraped: Sequence[str], closed: Sequence[str], alerts: bool) -> str:
    """README.md of Prometheus alone."""
    unreached = (
        f"- Not asked are {', '.join(closed)}: containers of the stack show these to each other alone. Alerts about them need the stack's "
        "own Prometheus.\n"
        if closed
        else ""
    )
    told = (
        "- Alerts go to the stack's Alertmanager (`targets/alertmanager.json`). Write another address there, or `[]` to tell nobody."
        if alerts
        else "- Alerts are shown by Prometheus and told to nobody: write the address of an Alertmanager to `targets/alertmanager.json`, "
        'as in `[{"targets": ["127.0.0.1:9093"]}]`.'
    )
    return f"""\
# {project}: its scraping and its alerts, in a Prometheus of their own

What the stack's own Prometheus has: `prometheus.yml`, the rules as they lie there, and whom to ask, as this machine reaches them.
It needs Prometheus 2.53 or later.

## Run it

Natively, in this folder:

```
prometheus --config.file=prometheus.yml --web.listen-address=127.0.0.1:{port}
```

or in a container, on this machine's own network (Docker Desktop: allow it under Settings, Resources, Network, "Enable host networking"):

```
docker compose up -d --wait
```

Then open http://127.0.0.1:{port}/targets. `promtool check config prometheus.yml` checks what you change.

## Use the rules in a Prometheus that you have

Copy `rules/` to where its `rule_files` look, and `targets/services.json` to a `file_sd_configs` of a job with `honor_labels: true`.
The rules go by the labels `job` (kind of service), `instance` (its name) and `model`, which the targets bring.
`rules/objectives.yml` holds what this project promises; `prometheus.yml` has the intervals that the windows of the rules go with.

## You still need to

- run the stack: `sandbox up`. Asked are {", ".join(scraped)}, at the ports in `targets/services.json`; export again when they move.
{unreached}{told}
- change the port of `prometheus` in `targets/services.json` too when it listens at another one than {port}.
- decide how long data is kept: 15 days unless `--storage.tsdb.retention.time` says otherwise.

Written by `{written.command}`, and anew by the next one.
"""


def _reach(*, asks_for_keys: bool) -> str:
    if asks_for_keys:
        return "put something that speaks TLS before the API when other machines are to reach it: keys are sent as they are."
    return (
        "let it ask for keys before other machines are to reach it: `api_keys = true` under `[stack]` in `sandbox.toml`, then export\n"
        "  again. As it is, it listens on this machine's loopback alone."
    )


def _again(ejected: Ejected) -> str:
    return ejected.files[0].text.partition(": ")[2].partition("\n")[0]


def _images_section(names: Sequence[str], pull: str) -> str:
    """How images come about that are made of the project."""
    if not names:
        return ""
    images = "".join(f"    {name}\n" for name in names)
    return f"""\
First have the images that no registry has. In the project's folder, this makes those that are not here yet, and starts nothing:

```
{pull}
```

They are

{images}
For another machine take them along: `docker save IMAGE... | ssh HOST docker load`. Or push them to a registry and export with their
names there: `sandbox export compose --image KEY=REF`.

"""


def _secrets_section(names: Sequence[str], begin: str) -> str:
    if not names:
        return "In this folder:\n\n"
    return f"{begin} the secrets, once, in this folder ([secrets/](secrets/README.md)), and run it:\n\n```\n{_making(names)}```\n\n"


def _secrets_readme(names: Sequence[str]) -> str:
    return f"""\
# Secrets

Made on each machine, never kept in a repository. From the folder above:

```
{_making(names)}```

The folder is its owner's alone; the files in it are readable for the containers, whose users are others.
"""


def _making(names: Sequence[str]) -> str:
    lines = [f"{_GENERATED.get(name, _RANDOM)} > secrets/{name}\n" for name in names]
    return "".join(("chmod 700 secrets\n", *lines, f"chmod 644 {' '.join(f'secrets/{name}' for name in names)}\n"))


def _example(written: Written, variables: Sequence[Variable]) -> str:
    lines = "".join(f"# {each.what}\n{each.name}={each.default}\n" for each in variables)
    return f"# {written.line}\n# Copied to .env it is read by `docker compose`; what is left out there is as it is here.\n{lines}"
