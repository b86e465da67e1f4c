"""What a command works with: the global options, the output, and the project they point to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlsandbox.cli.options import GlobalOptions
from mlsandbox.output import Output
from mlsandbox.progress import AnyReport, make_report
from mlsandbox.project import FILE_NAME, Override, Project, find_project, load_project, not_found


@dataclass
class Session:
    """One run of the command."""

    options: GlobalOptions = field(default_factory=GlobalOptions)
    output: Output = field(default_factory=Output)
    _report: AnyReport | None = None

    @property
    def debug(self) -> bool:
        return self.options.debug

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What global flags set in the project."""
        return () if self.options.engine is None else (Override("stack.engine", self.options.engine, "--engine"),)

    @property
    def report(self) -> AnyReport:
        """Where a long use case says what it is doing."""
        if self._report is None:
            self._report = make_report(self.options.progress, self.output)
        return self._report

    def configure(self, options: GlobalOptions) -> None:
        """Take over the options once they are parsed."""
        self.options = options
        self.output = Output(options.form, no_color=options.no_color, quiet=options.quiet)
        if options.project is not None:
            self.output.aim(options.project)
        if options.debug:
            from mlsandbox.run import set_echo  # noqa: PLC0415 - only commands that run programs need it

            set_echo(lambda line: self.output.message(self.output.err.dim(f"+ {line}")))

    def project(self, *overrides: Override, start: Path | None = None) -> Project:
        """The project of a folder, of --project or of the current folder; raises ProjectNotFound or ConfigInvalid."""
        if start is not None:
            self.output.aim(start)
        return load_project(start or self.options.project, overrides=(*self.overrides, *overrides))

    def root(self) -> Path:
        """The project's folder, whatever is in its sandbox.toml: stopping must work then too."""
        start = self.options.project
        root = find_project() if start is None else start.absolute()
        if root is None or not ((root / FILE_NAME).is_file() or (root / ".sandbox").is_dir()):
            raise not_found(start)
        return root

    def close(self) -> None:
        """Take a spinner off the screen."""
        if self._report is not None:
            self._report.close()
