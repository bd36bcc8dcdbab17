# Starts from nothing but Python 3.11 or newer, make and the package registry.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# One process for each core, up to four, and one thread in each: torch's threads on shared cores stand in each other's way.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4
ENV := .venv/.installed

.PHONY: demo test check coverage lint fmt clean

demo: $(ENV)  ## the whole job on the built-in street
	$(BIN)/oddframe demo

test: $(ENV)  ## every test
	$(PYTEST)

check: $(ENV)  ## the quick tests, under two minutes
	$(PYTEST) -m "not slow"

coverage: $(ENV)  ## every test, and which lines and branches of src they reach: coverage.json
	$(PYTEST) --cov --cov-report=json:coverage.json

lint: $(ENV)  ## what must hold before a commit; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: $(ENV)  ## put into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove the environment and what tools left behind
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* coverage.json

$(ENV): pyproject.toml constraints.txt
	@echo "Installing into .venv; this takes a minute or two ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
