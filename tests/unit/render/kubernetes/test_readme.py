"""README.md of an export."""

from __future__ import annotations

import re
from dataclasses import replace

import yaml

from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.elasticsearch import official_image
from mlsandbox.render.kubernetes.facts import ExportFacts, Measured
from mlsandbox.render.kubernetes.kustomize import kustomize_files
from mlsandbox.render.kubernetes.plain import plain_text
from mlsandbox.render.kubernetes.readme import readme_file
from support.bundles import EXPORT, FACTS
from support.exported import SERVICES, WHOLE, exported, image

WITH_LOG = tuple(f"{name}={image(name)}" for name in ("churn", "fraud", *SERVICES))


def test_todo() -> None:
    """What its user still has to do must be listed, that of unused components apart, and nothing of it twice."""
    needed, later = _parts(EXPORT)

    assert "- [ ] `logged`: Fill in the address." in needed
    assert later == ""
    bare = replace(EXPORT, overlays=EXPORT.overlays[:1])
    needed, later = _parts(bare)
    assert "Fill in the address." not in needed
    assert later.count("- [ ] `logged`: Fill in the address.") == 1


def test_real_todo() -> None:
    """Secrets that pods refer to must come with the command that makes them of a file, never with a value."""
    export, facts = exported("three-models", whole=True, chosen=tuple(name for name in WHOLE if name != "external-secrets"))
    needed, _ = _parts(export, facts)

    for name, key in (("hash-key", "hash-key"), ("api-keys", "api-keys"), ("elasticsearch", "url")):
        assert f"kubectl --namespace credit create secret generic {name} --from-file={key}=" in needed
    assert "--from-literal" not in needed


def test_secrets_are_made_once() -> None:
    """Where external-secrets makes them nobody may be told to: the operator takes over no Secret of another owner."""
    needed, _ = _parts(*exported("three-models", whole=True))

    assert "create secret generic" not in needed
    assert "--from-file" not in needed
    for name in ("hash-key", "elasticsearch"):
        assert re.search(rf"Pods need the secret {name}\b.*: external-secrets makes it\.", needed)


def test_what_is_where() -> None:
    """Components, where they are, what they need, and what cannot be had must be said, with who wrote it in the first line."""
    text = readme_file(EXPORT, replace(FACTS, command="sandbox export k8s --image churn=x")).text

    assert text.startswith("<!-- Written by mlsandbox ")
    assert "\n\n    sandbox export k8s --image churn=x\n" in text
    assert "| `components/after/` | Needs logs. Needs logged. | full |" in text
    assert "| `overlays/patched/` | `bank-patched` | logged |" in text
    assert "- Not yet `gone`: its image is not known: name it" in text
    assert f"`{FACTS.images['churn']}`" in text


def test_jobs_in_a_repository() -> None:
    """Whoever lets a controller apply the folder must read what becomes of Jobs."""
    text = readme_file(EXPORT, FACTS).text

    assert "Argo CD" in text
    assert "not run again" in text


def test_a_command_stays_what_it_is() -> None:
    """A folder may be called anything: the command must end no comment, neither of HTML nor of YAML, and be copied as it was said."""
    command = "sandbox export k8s 'a-->b`\nkind: Secret'"
    facts = replace(FACTS, command=command)
    text = readme_file(EXPORT, facts).text

    assert text.splitlines()[0].count("--") == 2
    assert text.splitlines()[0].endswith("sandbox export k8s -->")
    assert "\n    sandbox export k8s 'a-->b`\n    kind: Secret'\n" in text
    assert {each["kind"] for each in yaml.safe_load_all(plain_text(EXPORT, EXPORT.overlays[0].name, facts))}.isdisjoint({"Secret"})


def test_applying() -> None:
    """Commands must work in the order in which they are said, where nothing is there yet; what is deleted with a namespace must be said."""
    text = readme_file(EXPORT, FACTS).text
    apply = text.partition("## Apply it")[2].partition("\n## ")[0]
    commands = [line.split() for line in apply.splitlines() if line.startswith("    kubectl")]

    assert [each[1] for each in commands[:2]] == ["kustomize", "apply"]
    assert not any("--dry-run=server" in each for each in commands[:3])
    dry = next(number for number, each in enumerate(commands) if "--dry-run=server" in each)
    assert commands[dry - 1][1:3] == ["create", "namespace"]
    assert "this stack's own" in apply
    assert "kubectl delete --kustomize" in apply
    assert "volumes" in apply


def test_another_image() -> None:
    """Nothing may advise Kustomize's `images`, which goes by repositories: a challenger in that of its model would be replaced, too."""
    export, facts = exported("one-model", whole=True)
    files = {file.path: file.text for file in kustomize_files(export, facts)}

    for path in ("README.md", *(path for path in files if path.startswith("overlays/"))):
        assert "images:" not in files[path]
        assert "nother image: " in files[path]
        assert "--image" in files[path]


def test_commands_can_be_copied() -> None:
    """A command must be whole, in a line of its own or between backticks, with the namespace; where it is called must be said."""
    chosen = tuple(name for name in WHOLE if name != "external-secrets")  # which makes secrets in place of commands
    export, facts = exported("three-models", whole=True, chosen=chosen)
    text = readme_file(export, facts).text
    spans = [*re.findall(r"`([^`\n]+)`", text), *(line[4:] for line in text.splitlines() if line.startswith("    "))]

    assert f"{facts.command} --format plain --overlay dev" in spans
    assert "kubectl --namespace credit port-forward service/drift 7317:7317" in spans
    assert "http://127.0.0.1:7317/report.html" in text
    assert "sandbox keys add team-a" in spans
    assert [each for each in spans if each.startswith("kubectl --namespace") and each.endswith((".", ";"))] == []
    for name in ("hash-key", "api-keys"):
        assert f"kubectl --namespace credit create secret generic {name} --from-file={name}=.sandbox/secrets/{name}" in spans
    assert "for dev it is `credit-dev`, for staging it is `credit-staging`" in text
    assert "project's folder" in text


def test_secret_of_the_store() -> None:
    """Where an overlay brings its own Elasticsearch, no secret of another one is needed, and that must be said beside the secret."""
    needed, _ = _parts(*exported("two-models", images=WITH_LOG))

    assert "secret elasticsearch, but where the component elasticsearch is in the overlay: `kubectl" in needed


def test_images_without_a_digest() -> None:
    """The one image that no digest names must be listed and called an exception; one that was named in its place must be no exception."""
    tagged = readme_file(*exported("two-models", images=WITH_LOG)).text.partition("## Images")[2].partition("\n## ")[0]
    named = readme_file(*exported("two-models", images=(*WITH_LOG, f"elasticsearch={image('store')}"))).text
    named = named.partition("## Images")[2].partition("\n## ")[0]
    alone = readme_file(*exported("two-models")).text.partition("## Images")[2].partition("\n## ")[0]

    assert f"| `elasticsearch` | `{official_image()}` |" in tagged
    assert "but for that of the component `elasticsearch`" in tagged
    assert f"| `elasticsearch` | `{image('store')}` |" in named
    assert official_image() not in named
    assert "but for" not in named
    assert "elasticsearch" not in alone


def test_requests() -> None:
    """Whether requests were measured must be said of each container: of the server of a measured model alone."""
    export, facts = exported("two-models", measured={"fraud": Measured(300_000_000, 1.5)})
    rows = [line.split(" | ") for line in readme_file(export, facts).text.splitlines() if " | server | " in line or " | shipper | " in line]

    assert {(row[0].strip("| `"), row[1]): row[-1].strip(" |") for row in rows} == {
        ("churn", "server"): "default",
        ("churn", "shipper"): "default",
        ("fraud", "server"): "measured",
        ("fraud", "shipper"): "default",
    }


def _parts(export: Export, facts: ExportFacts = FACTS) -> tuple[str, str]:
    """What is needed, and what would be for more components."""
    section = readme_file(export, facts).text.partition("## You still need to")[2].partition("\n## ")[0]
    needed, _, later = section.partition("And for components that no overlay has yet:")
    return needed, later
