# The commands a user and a contributor need. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --cov
# What trains most has processes of its own: TensorFlow keeps the memory of all it has compiled.
SHOWN := tests/test_demo.py tests/test_docs.py tests/test_examples.py

.DEFAULT_GOAL := help
.PHONY: help demo test docs lint format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "skdiffusion needs Python >= 3.11; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[plot,test]'
	@touch $@

demo: $(STAMP)  ## denoise digits and generate a table: fit, tune, compare, save pictures (under two minutes)
	$(BIN)/python -m skdiffusion

test: $(STAMP)  ## run the tests
	$(PYTEST) --cov-report= $(addprefix --ignore=,$(SHOWN))
	$(PYTEST) --cov-append --cov-report=term $(SHOWN)

docs: $(STAMP)  ## build the documentation into docs/_build/html; runs all examples (some minutes)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

lint: $(STAMP)  ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(STAMP)  ## apply format and the safe style fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage
