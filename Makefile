# The commands a user and a contributor need. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two workers: if scikit-learn's threads took all cores in each, they would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov
# What trains most has processes of its own: TensorFlow keeps the memory of all it has compiled.
SHOWN := tests/test_demo.py tests/test_docs.py tests/test_examples.py
OLDEST := .venv-oldest
# What is written in keras.ops alone.
MATHS := tests/test_networks.py tests/test_factors.py tests/test_samplers.py skdiffusion/networks.py skdiffusion/samplers.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-oldest test-backends docs lint format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-13s %s\n", $$1, $$2}'

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

test-oldest: $(STAMP)  ## run the tests with the oldest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OLDEST)
	$(BIN)/uv pip install --quiet --python $(OLDEST) --resolution lowest-direct --editable '.[plot,test]'
	$(OLDEST)/bin/python -m pytest -n 2 --dist loadfile -W default::DeprecationWarning

test-backends: $(STAMP)  ## run the tests of the maths under Keras' other back ends; install jax and torch first
	for backend in jax torch; do KERAS_BACKEND=$$backend $(BIN)/python -m pytest -n 2 --dist loadfile \
		-W ignore::DeprecationWarning $(MATHS) || exit 1; done

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
	rm -rf $(VENV) $(OLDEST) .pytest_cache .ruff_cache .hypothesis .coverage
