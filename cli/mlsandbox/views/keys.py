"""Text of API keys, which never holds one."""

from __future__ import annotations

from mlsandbox.actions.keys import KeyChange, KeyList


def list_text(result: KeyList) -> str:
    """Names, and where the keys are."""
    asked = "asks for one of these" if result.required else "asks for no key ([stack] api_keys = true: it does on loopback, too)"
    if not result.names:
        return "no API keys yet: sandbox up makes the first one when the API asks for keys"
    return "\n".join([*result.names, "", f"The API {asked}.", f"They are in {result.file}"])


def added_text(result: KeyChange, *, required: bool, shown: bool) -> str:
    """What goes with a new key, which is printed apart from this, if it is `shown`."""
    if result.dry_run:
        return f"Dry run: {result.name} would be added to {result.file}"
    unused = "" if required else "; the API asks for none as it is set up now"
    return f"{result.name} was added to {result.file}{unused}{'. Its key is shown this once:' if shown else ', where its key is'}"


def removed_text(result: KeyChange) -> str:
    """That it is gone."""
    return f"{result.name} {'would be' if result.dry_run else 'was'} removed from {result.file}"
