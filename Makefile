# Everything starts here. No make on this machine? Each line below is the command itself.
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help demo test check torch rig lock docs format switching bench clean

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1 \t/p' $(MAKEFILE_LIST)

demo:  ## train the example, bring it up, show a real prediction
	@$(PYTHON) tools/setup.py demo
	@.venv/bin/python tools/demo.py

test: check  ## the same as check

check:  ## formatting, types, layers and all tests (STEPS="mypy unit" runs only those)
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python tools/check.py $(STEPS)

torch:  ## the TorchScript tests, in an environment of their own (large download)
	@$(PYTHON) tools/setup.py torch
	@.venv-torch/bin/python -m pytest -m torch

rig:  ## Docker and the images that its tests run on (as root on Debian; else only the images)
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python tools/rig.py images

lock:  ## resolve requirements/*.txt anew from pyproject.toml
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python tools/lock.py $(UPGRADE)

docs:  ## write the generated pages anew
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python tools/cli_docs.py
	@.venv/bin/python tools/write_dashboards.py

format:  ## let ruff format and mend what it can
	@$(PYTHON) tools/setup.py test
	@.venv/bin/ruff format
	@.venv/bin/ruff check --fix

switching:  ## change versions there and back twenty times under load, on both engines; then a champion whose shadow is broken
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python -m pytest tests/e2e -k there_and_back --rounds 20 --require-docker
	@.venv/bin/python bench/shadow.py

bench:  ## time `sandbox up` beside `bentoml serve` of the same bento, and the small commands
	@$(PYTHON) tools/setup.py test
	@.venv/bin/python bench/start.py
	@.venv/bin/python bench/commands.py

clean:  ## remove environments and caches of this checkout (projects and their .sandbox/ stay)
	rm -rf .venv .venv-torch .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
