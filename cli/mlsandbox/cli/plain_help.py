"""Help without boxes, the same on a terminal and in a pipe: summary, examples, usage, then commands, arguments and options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from typer.core import TyperCommand, TyperGroup

from mlsandbox.cli.options import PANEL
from mlsandbox.output import Output

_MORE: Final = """
Each of these can be set by a variable: --timeout by SANDBOX_TIMEOUT, and so on.
More: sandbox COMMAND --help, sandbox help exit-codes, sandbox help config
"""


class PlainHelp:
    """What a command and the root share."""

    examples: str = ""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        command = cast("TyperCommand", self)
        formatter.write(f"{(command.help or '').strip()}\n")
        with _section(formatter, "Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples.splitlines()))
        formatter.write(f"\n{Output().out.strong('Usage:')} {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}\n")
        self.format_options(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        titles: dict[str, list[tuple[str, str]]] = {}
        for each in cast("TyperCommand", self).get_params(ctx):
            usual = "Arguments" if each.param_type_name == "argument" else "Options"
            title, record = getattr(each, "rich_help_panel", None) or usual, each.get_help_record(ctx)
            if record is not None:
                titles.setdefault(title, []).append(record)
        titles.pop(PANEL, None)
        for title in sorted(titles, key=lambda title: {"Arguments": 0, "Options": 2}.get(title, 1)):
            _rows(formatter, title, titles[title])
        formatter.write("\nGlobal options, such as -C, -o, -q and --timeout: sandbox --help\n")


class PlainCommand(PlainHelp, TyperCommand):
    """A command with plain help."""


class LazyGroup(PlainHelp, TyperGroup):
    """The root: knows its commands without importing them."""

    entries: Sequence[Any] = ()
    """`commands.Command`s."""

    def fill(self, entries: Sequence[Any], examples: str) -> None:
        """Take over the commands, in the order of the help."""
        self.entries, self.examples = entries, examples
        self.commands = dict.fromkeys((each.name for each in entries), cast("Any", None))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            self.commands[cmd_name] = next(each for each in self.entries if each.name == cmd_name).load()
        return self.commands.get(cmd_name)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for group in dict.fromkeys(each.group for each in self.entries):
            _rows(formatter, group, [(f"{each.name:<10}", each.summary) for each in self.entries if each.group == group])
        _rows(formatter, PANEL, [record for each in self.get_params(ctx) if (record := each.get_help_record(ctx)) is not None])
        formatter.write(_MORE)


def _rows(formatter: Any, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        with _section(formatter, title):
            formatter.write_dl(rows)


@contextmanager
def _section(formatter: Any, title: str) -> Iterator[None]:
    formatter.write(f"\n{Output().out.strong(title + ':')}\n")
    formatter.indent()
    yield
    formatter.dedent()
