"""`python -m mlsandbox.supervise DIR`."""

import sys

from mlsandbox.supervise.daemon import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
