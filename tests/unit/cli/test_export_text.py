"""Text of an export, as people read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlsandbox.actions.export_written import Dangling, ExportResult
from mlsandbox.output import Paint
from mlsandbox.render.kubernetes.bundle import Missing
from mlsandbox.views.export import export_text

PLAIN = Paint(on=False)
RESULT = ExportResult(
    project="churn",
    folder=Path("/shop/k8s"),
    what="k8s",
    form="kustomize",
    kubernetes="1.33",
    namespaces={"dev": "churn-dev", "production": "churn"},
    overlays={"dev": ("drift", "logging"), "production": ()},
    missing={"challenger": Missing("its image is not known", "sandbox export k8s --image churn/challenger=REF")},
    images={"churn": f"registry.example.com/churn@sha256:{'4d3f' * 16}", "drift": "drift:1"},
    command="sandbox export k8s --image=churn=REF",
    written=("README.md", "base/a.yaml", "base/b.yaml"),
    unchanged=2,
    todo=("Fill in the secret.",),
    differs=True,
    elapsed=0.4,
)


def test_a_tree_that_was_written() -> None:
    """An export must say what was written, what each environment has, which images, what is left to do, and what comes next."""
    assert export_text(RESULT, PLAIN) == (
        "  Wrote /shop/k8s/: 3 files (README.md 1, base 2), 2 unchanged · 0.4s\n"
        "\n"
        "  dev            namespace churn-dev · drift, logging\n"
        "  production     namespace churn · no components\n"
        "  image churn    registry.example.com/churn@sha256:4d3f4d3f4d3f…\n"
        "  image drift    drift:1  (a tag, which can be moved)\n"
        "  no challenger  its image is not known: sandbox export k8s --image churn/challenger=REF\n"
        "\n"
        "  Still to do, or to check\n"
        "    - Fill in the secret.\n"
        "\n"
        "  Next  kubectl kustomize /shop/k8s/overlays/dev\n"
        "        kubectl apply --server-side -k /shop/k8s/overlays/dev\n"
        "        /shop/k8s/README.md says the rest"
    )


def test_an_export_that_changes_nothing() -> None:
    """A second export must say that there was nothing to do, and which overlays are the user's."""
    text = export_text(replace(RESULT, written=(), differs=False, unchanged=5, kept=("overlays/dev/kustomization.yaml",)), PLAIN)

    assert text.startswith("  /shop/k8s/ is as it was: 5 files, nothing to do")
    assert "Still to do" not in text
    assert "  kept, since it was changed by hand: overlays/dev/kustomization.yaml\n" in text


def test_a_long_list_is_cut() -> None:
    """Of many things to do the first must be shown, and where the others are."""
    text = export_text(replace(RESULT, todo=tuple(f"Thing {number}." for number in range(9))), PLAIN)

    assert "    - Thing 4.\n    … and 4 more in /shop/k8s/README.md\n" in text


def test_a_check() -> None:
    """A check must name every file that differs, that is missing or that is too much, or say that none does."""
    checked = replace(RESULT, check=True, absent=("base/a.yaml",))
    differs = export_text(replace(checked, removed=("base/c.yaml",)), PLAIN)
    same = export_text(replace(checked, differs=False, written=(), unchanged=1), PLAIN)

    assert differs.splitlines()[1:] == [
        "  differs   README.md",
        "  missing   base/a.yaml",
        "  differs   base/b.yaml",
        "  too many  base/c.yaml",
        "  Next  sandbox export k8s --image=churn=REF",
    ]
    assert same == "/shop/k8s/ is what would be written (1 file)"


def test_a_check_of_nothing(tmp_path: Path) -> None:
    """Of a folder that is not there, or that holds nothing of an export, a check must not name each file."""
    checked = replace(RESULT, check=True, absent=RESULT.written, unchanged=0)

    assert export_text(checked, PLAIN).splitlines() == ["/shop/k8s/ is not there", "  Next  sandbox export k8s --image=churn=REF"]
    assert export_text(replace(checked, folder=tmp_path), PLAIN).splitlines()[0] == f"{tmp_path}/ holds no export"


def test_what_comes_next_is_there() -> None:
    """Next must be the list that was asked for, whichever others were written, or the first overlay that is there."""
    plain = replace(RESULT, form="plain", overlays={"production": ()}, written=("plain/dev.yaml", "plain/production.yaml"))
    without_dev = replace(RESULT, overlays={"staging": ()}, namespaces={"staging": "s"})

    assert export_text(plain, PLAIN).endswith("  Next  kubectl apply --server-side -f /shop/k8s/plain/production.yaml")
    assert "-k /shop/k8s/overlays/staging\n" in export_text(without_dev, PLAIN)


def test_quiet_is_the_result_alone() -> None:
    """With -q an export must say what it did, and neither what is left to do nor what is next."""
    for result in (RESULT, replace(RESULT, check=True)):
        text = export_text(result, PLAIN, quiet=True)

        assert "Next" not in text
        assert "Still to do" not in text
        assert "/shop/k8s/" in text


def test_a_check_of_an_overlay_that_names_what_is_gone() -> None:
    """A check must name the line of an overlay that would lead nowhere."""
    broken = (Dangling("overlays/dev/kustomization.yaml", 7, "components/challenger"),)
    text = export_text(replace(RESULT, check=True, written=(), dangling=broken), PLAIN)

    assert text.splitlines()[1:] == [
        "  broken    overlays/dev/kustomization.yaml:7 names components/challenger, which would not be there",
        "  Next  sandbox export k8s --image=churn=REF",
    ]


def test_a_dry_run() -> None:
    """A dry run must name each file that it would write or remove."""
    text = export_text(replace(RESULT, dry_run=True, removed=("base/c.yaml",)), PLAIN)

    assert text.startswith("Dry run of churn: nothing was changed.")
    assert "  write     base/b.yaml\n" in text
    assert "  remove    base/c.yaml\n" in text


def test_a_part_alone() -> None:
    """A part of the stack must say what was written and where to read on."""
    result = ExportResult(
        "churn", Path("/shop/grafana"), "grafana", written=("compose.yaml",), differs=True, todo=("It needs Prometheus.",)
    )

    assert export_text(result, PLAIN) == (
        "  Wrote /shop/grafana/: 1 file (compose.yaml 1) · 0.0s\n"
        "\n"
        "  To know\n"
        "    - It needs Prometheus.\n"
        "\n"
        "  Next  cat /shop/grafana/README.md"
    )
