# make quickstart   trains REPPO and three ablations on two tasks
# make test         runs the tests
# make test-browser   tests the report page in Chromium (Debian: apt-get install chromium)
# make docs         builds the documentation into site/
# make lint         checks style and types
# For a GPU: make quickstart EXTRAS=cuda12

PYTHON ?= python3
EXTRAS ?=
comma := ,
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: quickstart test test-slow test-browser docs lint clean

quickstart: .venv/.installed
	$(BIN)/reppo run experiments/quickstart.py

test: .venv/.dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

test-browser: .venv/.dev
	$(BIN)/python -m pytest -m browser

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .$(if $(EXTRAS),[$(EXTRAS)])
	touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .[dev$(if $(EXTRAS),$(comma)$(EXTRAS))]
	touch $@ .venv/.installed

.venv/.docs: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .[docs]
	touch $@ .venv/.installed

clean:
	rm -rf .venv site
