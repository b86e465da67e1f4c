"""Run by another interpreter, through standard input: prints what it has installed as one JSON document.

Never imported. Standard library only, and plain enough for any Python 3.8; the modules asked for are the arguments.
"""

import json
import sys
from importlib import metadata


def main() -> None:
    distributions = {}
    modules = {}  # type: dict[str, list[str]]
    wanted = set(sys.argv[1:])
    for each in metadata.distributions():
        name = each.metadata["Name"]
        if not name or name in distributions:  # the first one on the path is the one that is imported
            continue
        by_conda = (each.read_text("INSTALLER") or "").strip() == "conda"  # it notes where its own build folder was
        direct = {} if by_conda else json.loads(each.read_text("direct_url.json") or "{}")
        distributions[name] = {"version": each.version, "requires": each.requires or [], "direct": _where_from(direct)}
        for module in wanted & _modules(each):
            modules.setdefault(module, []).append(name)
    base = getattr(sys, "_base_executable", None) or sys.executable
    version = ".".join(map(str, sys.version_info[:3]))
    json.dump({"python": version, "base": base, "prefix": sys.prefix, "distributions": distributions, "modules": modules}, sys.stdout)


def _modules(distribution: metadata.Distribution) -> "set[str]":
    listed = distribution.read_text("top_level.txt")
    if listed:
        return set(listed.split())
    parts = [path.parts for path in distribution.files or ()]
    return {
        part[0] if len(part) > 1 else part[0].split(".")[0] for part in parts if part and str(part[-1]).endswith((".py", ".so", ".pyd"))
    }


def _where_from(direct: "dict[str, dict[str, object]]") -> "str | None":
    """Why an index cannot give this distribution, or None."""
    url = str(direct.get("url", ""))
    if "vcs_info" in direct:
        return f"installed from {direct['vcs_info'].get('vcs')}+{url}"
    if "dir_info" in direct:
        return f"{'editable install' if direct['dir_info'].get('editable') else 'installed'} from {url}"
    return f"installed from {url}" if url.startswith("file:") else None


main()
