# Two commands for a newcomer: `make demo` and `make test`. Both set up what they need, and nothing twice.

PYTHON ?= python3
DATA ?= demo-data
DEMO_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
STATIC := wk_jupyter/widgets/static
SAMPLE := $(DATA)/binaryData/default/sample_tissue/datasource-properties.json
JS_SOURCES := $(shell find js -type f -not -path 'js/node_modules/*' 2>/dev/null)
# npm has run by then: the build hook of the package need not run it again.
PIP_INSTALL := HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/python -m pip install --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint format bench wheel build setup clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  DEMO_ARGS="--no-browser --port 9999" make demo   passes arguments on to JupyterLab'
	@echo '  DATA=/some/folder make demo                      serves another data directory'

demo: $(STAMPS)/demo $(SAMPLE) ## set up, make sample data, open JupyterLab on the quickstart notebook
	scripts/demo.sh $(DATA) $(DEMO_ARGS)

test: $(STAMPS)/dev ## set up (Chromium and PostgreSQL too), run every check and every test
	scripts/chromium.sh
	@# Tests that want a PostgreSQL are skipped, and say so, where it cannot be had.
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || scripts/apt.sh postgresql || true
	$(BIN)/python scripts/check.py all

lint: $(STAMPS)/dev ## formats, lint and types of Python and TypeScript
	$(BIN)/python scripts/check.py lint

format: $(STAMPS)/dev ## put Python and TypeScript into their format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	npm --prefix js run --silent fix

bench: $(STAMPS)/dev ## measure speed against peers; writes benchmarks/results.json
	@# Debian keeps nginx in a folder that only root has in the PATH.
	@command -v wrk >/dev/null && PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || scripts/apt.sh wrk nginx-light
	@test -x .venv-peers/bin/python || $(BIN)/python -m pytest -q tests/peers
	$(BIN)/python -m benchmarks

wheel: $(STAMPS)/dev ## build the wheel, with the built JavaScript in it, into dist/
	$(BIN)/python -m build --wheel --outdir dist

build: $(STATIC)/loader.js ## build the JavaScript

setup: $(STAMPS)/dev ## set up for development

clean: ## remove everything that make made, the demo's data too
	rm -rf $(VENV) .venv-peers js/node_modules $(STATIC) dist demo-data test-results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find wk_jupyter tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	scripts/venv.sh "$(PYTHON)" $(VENV)

js/node_modules/.package-lock.json: js/package.json js/package-lock.json
	scripts/node.sh
	npm --prefix js ci --no-audit --no-fund --loglevel=error
	@touch $@

$(STATIC)/loader.js: js/node_modules/.package-lock.json $(JS_SOURCES)
	npm --prefix js run --silent build
	@touch $@

$(STAMPS)/demo: pyproject.toml $(STATIC)/loader.js | $(BIN)/python
	@echo "Installing Python packages into $(VENV): about a minute, once"
	$(PIP_INSTALL) --editable '.[lab]'
	@# No question about news from the network over the first picture; in this environment alone.
	$(BIN)/jupyter labextension disable --level=sys_prefix @jupyterlab/apputils-extension:announcements
	@mkdir -p $(@D) && touch $@

$(STAMPS)/dev: pyproject.toml $(STATIC)/loader.js | $(BIN)/python
	@echo "Installing Python packages into $(VENV): about a minute, once"
	$(PIP_INSTALL) --editable '.[dev]'
	@mkdir -p $(@D) && touch $@ $(STAMPS)/demo

$(SAMPLE): | $(STAMPS)/demo
	@echo "Making the sample: some seconds, once"
	$(BIN)/wk-jupyter sample --data-dir $(DATA)
