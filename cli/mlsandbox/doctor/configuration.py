"""sandbox.toml and the files that it names."""

from __future__ import annotations

from collections.abc import Iterator

from mlsandbox.doctor.base import Examined, Finding, Verdict, project
from mlsandbox.errors import SandboxError
from mlsandbox.project import load_project
from mlsandbox_serving.contract import CAPTURE_FILE


class ConfigurationCheck:
    """It is valid, and its files are there."""

    def run(self, examined: Examined) -> Iterator[Finding]:
        if examined.root is None:
            yield project(
                "sandbox.toml", Verdict.INFO, "no project here; its checks were left out", "sandbox init --from MODEL --reference DATA"
            )
            return
        try:
            loaded = examined.project or load_project(examined.root)
        except SandboxError as error:
            yield project("sandbox.toml", Verdict.PROBLEM, f"{error.what}: {error.why}", error.fix)
            return
        yield project("sandbox.toml", Verdict.OK, f"{loaded.file} is valid ({', '.join(loaded.models)})")
        for path in loaded.reserved:
            yield project(
                "sandbox.toml",
                Verdict.INFO,
                f"{path} has no effect in this version",
            )
        for model in loaded.models.values():
            for what, file in (
                ("path", model.path),
                ("reference", model.reference),
                ("requirements", model.requirements),
                ("python", model.python),
            ):
                if file is not None and not file.exists():
                    origin = loaded.origin(f"models.{model.name}.{what}").source
                    captured = what == "reference" and (model.path.parent / CAPTURE_FILE).is_file()
                    yield project(
                        "sandbox.toml",
                        Verdict.WARNING if captured else Verdict.PROBLEM,  # what matters of reference data was captured
                        f"{what} of {model.name} ({origin}) is not there: {file}",
                        f"correct it in {loaded.file}",
                    )
