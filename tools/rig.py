"""The machine of the Docker tests: `python tools/rig.py up|images|env`.

    up      Docker, Compose and mmdebstrap are installed (as root on Debian), and an engine answers
    images  all test images are there, made on this machine; no registry is asked
    env     the lines of sandbox.toml that make a stack use these images

A second run of `up` or `images` changes nothing and returns at once. tests/rig/README.md says what the images are.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support import docker_rig, rig_engine, rig_images  # found by the line above


def main(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in {"up", "images", "env"}:
        print(__doc__)
        return 2
    started = time.monotonic()
    try:
        if words[0] == "env":
            print(docker_rig.stack_images(docker_rig.images()), end="")
            return 0
        rig_engine.up()
        if words[0] == "images":
            rig_images.build(say)
    except rig_engine.RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    say(f"{words[0]}: all is there ({time.monotonic() - started:.1f} s)")
    return 0


def say(text: str) -> None:
    print(f"rig: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
