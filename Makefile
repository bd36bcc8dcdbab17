# Starts from nothing but Python 3.11 or newer, make and the package registry.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# One process for each core, up to four, and one thread in each: torch's threads on shared cores stand in each other's way.
# Each process takes its share of the tests in one piece, so that it makes most fixtures of a file that no other makes.
# Tests that were compiled once are kept: half of the time to collect them is their rewriting by pytest.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
ENV := .venv/.installed

.PHONY: demo test check coverage notebooks docs lint fmt release matrix clean

demo: $(ENV)  ## the whole job on the built-in street
	$(BIN)/oddframe demo

test: $(ENV)  ## every test
	$(PYTEST)

check: $(ENV)  ## the quick tests, under two minutes
	$(PYTEST) -m "not slow"

coverage: $(ENV)  ## every test, and which lines and branches of src they reach; twice as long, and nine of ten must be
	$(PYTEST) --cov --cov-report=json:coverage.json --cov-fail-under=90 --durations=150

notebooks: $(ENV)  ## run the notebooks of examples/
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbmake examples

docs: $(ENV)  ## the site, in build/site; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: $(ENV)  ## what must hold before a commit; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fmt: $(ENV)  ## put into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

release: $(ENV)  ## wheel, sdist, libraries with hashes and their bill of materials, in dist
	$(BIN)/python tools/release.py

matrix:  ## the wheel on every Python from 3.11 to 3.13 that is here
	tools/matrix.sh

clean:  ## remove the environment and what tools left behind
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* coverage.json

$(ENV): pyproject.toml constraints.txt
	@echo "Installing into .venv; this takes a minute or two ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
