# Needs Python >= 3.11 and make, nothing else. The environment lies in .venv and is made once.
#
#   make demo          replay a year of flights, serve views of them, write Iceberg
#   make test          all tests
#   make check         lint, types, import contract and tests: what CI runs
#   make lint          the same without the tests
#   make bench         the benchmarks; writes docs/benchmarks.md (ARGS='--only hot_get': some)
#   make bench-smoke   a few seconds of each, nothing written
#   make bench-peers  what the benchmarks compare with, below .peers (ARGS='flink redis': only those)
#   make constraints   write constraints.txt from what is installed now
#   make clean         remove the environment and the caches (never keyfold-data)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONSTRAINTS := $(wildcard constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Many tests wait for processes of their own; two at a time keep two cores busy. JOBS=0: one by one.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))

# The first Python >= 3.11; `make PYTHON=/path/to/python` overrides the search.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	if $$python -c '$(SUITABLE)' 2>/dev/null; then echo $$python; break; fi; done)

.PHONY: demo test check lint constraints clean install bench bench-smoke bench-peers
.DEFAULT_GOAL := check

install: $(STAMP)

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: Keyfold needs Python 3.11 or later, and none was found" >&2; \
		echo "hint: install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi
	@if ! $(PYTHON) -c '$(SUITABLE)'; then \
		echo "error: $(PYTHON) is not Python 3.11 or later" >&2; exit 1; fi
	@if [ ! -x $(BIN)/python ] && ! $(PYTHON) -m venv $(VENV); then rm -rf $(VENV); \
		echo "error: $(PYTHON) cannot make a virtual environment" >&2; \
		echo "hint: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; fi
	@echo "installing into $(VENV) (once)"
	@$(PIP) install -q $(addprefix -c ,$(CONSTRAINTS)) -e '.[demo,dev,load]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/keyfold demo $(ARGS)

test: $(STAMP)
	@$(PYTEST) $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(PYTEST) $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m loadtests.bench $(ARGS)

bench-smoke: $(STAMP)
	@$(BIN)/python -m loadtests.bench --smoke $(ARGS)

bench-peers: $(STAMP)
	@$(BIN)/python -m loadtests.peers.install $(ARGS)

# Versions only: where packages come from is the business of whoever installs.
constraints: $(STAMP)
	@$(PIP) freeze --exclude-editable --exclude keyfold | grep -E '^[A-Za-z0-9._-]+==' > $(VENV)/constraints
	@mv $(VENV)/constraints constraints.txt
	@touch $(STAMP)
	@echo "constraints.txt: $$(wc -l < constraints.txt) packages"

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
