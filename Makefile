# Each target is at most three lines; what is longer lives in scripts/.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z%-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/runtime.stamp ## Make .venv with the service: .venv/bin/stenod
setup-export: .venv/export.stamp ## Make .venv with the service and what builds models out of checkpoints: torch for CPUs, transformers
setup-dev: .venv/dev.stamp ## Make .venv with the service, the tests and the tools

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { echo "stenod needs Python 3.11 or 3.12: make PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt

.venv/runtime.stamp: requirements/runtime.lock pyproject.toml | .venv/bin/uv
	@scripts/install requirements/runtime.lock && touch $@

.venv/dev.stamp: requirements/dev.lock pyproject.toml | .venv/bin/uv
	@scripts/install requirements/dev.lock && touch $@ .venv/runtime.stamp

.venv/export.stamp: requirements/export.lock pyproject.toml | .venv/bin/uv
	@scripts/install requirements/export.lock && touch $@ .venv/runtime.stamp

lock: .venv/bin/uv ## Resolve the dependencies anew into requirements/*.lock
	@scripts/lock

demo: setup ## Transcribe a real recording with a real model in a real Triton
	@scripts/demo

test: setup-dev setup-export ## Run every test that does not need a GPU
	@scripts/test

fmt: setup-dev ## Format the code and the protos
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && scripts/buf format -w proto

check: setup-dev gen-check ## Lint, types, import layers, protos: all that blocks a merge but the tests
	@scripts/check

gen: setup-dev ## Generate the stubs from proto/
	@scripts/gen

gen-check: setup-dev ## Fail when the committed stubs are not those of proto/
	@scripts/gen-check

bench: setup-dev setup-export ## Measure the service, the bare recogniser and peers in one run
	@$(BIN)/python -m bench $(ARGS)

bench-%: setup-dev setup-export ## Measure one thing: make bench-dialects, each HTTP dialect against gRPC
	@$(BIN)/python -m bench.$(subst -,_,$*) $(ARGS)

prove-%: setup-dev setup-export ## Run a proof in full: make prove-invariance, prove-faults, prove-memory, … (tests/proofs)
	@$(BIN)/python -m tests.proofs.$(subst -,_,$*) $(ARGS)

soak: setup-dev setup-export ## Half an hour of mixed traffic: memory, files and database must stay as they are (ARGS="--minutes 5")
	@$(BIN)/python -m tests.proofs.soak $(ARGS)

clean: ## Remove what the targets above made
	rm -rf .venv .cache .bench .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist

.PHONY: help setup setup-export setup-dev lock demo test fmt check gen gen-check bench soak clean
