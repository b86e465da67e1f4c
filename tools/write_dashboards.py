"""Write `grafana/dashboards/*.json` from `tools/dashboards/` (`make docs`)."""

from __future__ import annotations

from pathlib import Path

from dashboards import files

FOLDER = Path(__file__).resolve().parent.parent / "grafana" / "dashboards"


def main() -> None:
    """Write them, and remove what is no dashboard any more."""
    made = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote grafana/dashboards/{name}")
    for other in FOLDER.glob("*.json"):
        if other.name not in made:
            other.unlink()
            print(f"removed grafana/dashboards/{other.name}")


if __name__ == "__main__":
    main()
