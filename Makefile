# Every daily command. `make demo` and `make test` do all their own set-up: they need Python >= 3.11 and a Rust
# toolchain, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARGO := cargo
CORE_SOURCES := $(shell find core -name '*.rs' -not -path 'core/target/*') $(wildcard core/Cargo.* core/*/Cargo.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-core test-python nightly check format generate bench bench-load wheel lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: $(VENV)/.installed ## make .venv, build the core, install the package for editing

# Versions come from the lock; the build reads the Rust sources where they stand.
$(VENV)/.installed: pyproject.toml requirements.lock $(CORE_SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --editable '.[dev]'
	touch $@

demo: setup ## train, seal and score the flights example
	$(BIN)/sternpost demo flights --into sternpost-demo

test: test-core test-python ## every test but the nightly ones

test-core: ## the Rust crates' own tests
	$(CARGO) test --quiet --locked --release --manifest-path core/Cargo.toml -p sternpost-engine -p sternpost-monitor -p sternpost-journal -p sternpost-wire -p sternpost-client -p sternpost-server

test-python: setup
	$(BIN)/python -m pytest -m 'not nightly'

nightly: export STERNPOST_KILLS = 1000
nightly: setup test-core ## the long form of every suite
	$(BIN)/python -m pytest

check: setup ## format, lint, types, stub against binary, layers, generated code
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(CARGO) fmt --manifest-path core/Cargo.toml --all --check
	$(CARGO) clippy --quiet --locked --release --manifest-path core/Cargo.toml --workspace --all-targets -- -D warnings
	$(CARGO) run --quiet --locked --release --manifest-path core/Cargo.toml -p sternpost-generate -- --check
	$(BIN)/python -m pytest -q tests/layers tests/core/test_stub.py

format: setup ## write the code in the one style
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix-only --quiet src tests benchmarks
	$(CARGO) fmt --manifest-path core/Cargo.toml --all

generate: setup ## write the generated code of core/wire and sternpost.v1 from proto/
	$(CARGO) run --quiet --locked --release --manifest-path core/Cargo.toml -p sternpost-generate
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=src --pyi_out=src --grpc_python_out=src sternpost/v1/scoring.proto

bench: setup ## measure beside the peers; results in benchmarks/results
	$(BIN)/python -m benchmarks

bench-load: setup ## measure the server under load beside peers and floors; results in benchmarks/results
	$(BIN)/python -m benchmarks.load

wheel: ## build the wheel that others install, into dist/
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock maturin
	$(BIN)/maturin build --quiet --release --locked --out dist

lock: ## renew requirements.lock from what .venv holds
	$(BIN)/python -m pip freeze --exclude-editable --exclude sternpost | sort -f > requirements.lock

clean: ## remove what the build made
	rm -rf $(VENV) core/target src/sternpost/_core*.so sternpost-demo
