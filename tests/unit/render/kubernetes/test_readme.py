"""README.md of an export."""

from __future__ import annotations

from dataclasses import replace

from mlsandbox.render.kubernetes.bundle import Export
from mlsandbox.render.kubernetes.facts import ExportFacts, Measured
from mlsandbox.render.kubernetes.readme import readme_file
from support.bundles import EXPORT, FACTS
from support.exported import exported


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
    export, facts = exported("three-models", whole=True)
    needed, _ = _parts(export, facts)

    for name, key in (("hash-key", "hash-key"), ("api-keys", "api-keys"), ("elasticsearch", "url")):
        assert f"kubectl --namespace credit create secret generic {name} --from-file={key}=" in needed
    assert "--from-literal" not in needed


def test_what_is_where() -> None:
    """Components, where they are, what they need, and what cannot be had must be said, with the command in the first line."""
    text = readme_file(EXPORT, replace(FACTS, command="sandbox export k8s --image churn=x")).text

    assert text.startswith("<!-- Written by mlsandbox ")
    assert "sandbox export k8s --image churn=x -->" in text.splitlines()[0]
    assert "| `components/after/` | Needs logs. Needs logged. | full |" in text
    assert "| `overlays/patched/` | `bank-patched` | logged |" in text
    assert "- Not yet `gone`: its image is not known: name it" in text
    assert f"`{FACTS.images['churn']}`" in text


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
