# gpugap: `make study` measures this machine, `make test` runs the suite. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
comma := ,
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# The index of torch's CPU build on Linux, from the selector on pytorch.org; PyPI's build brings CUDA with it.
ifdef TORCH_INDEX
PIP += --extra-index-url $(TORCH_INDEX)
endif
SOURCES := pyproject.toml constraints.txt
# `make study FRAMEWORKS=all` compares PyTorch with TensorFlow and JAX; TensorFlow's CPU build where no NVIDIA driver is.
FRAMEWORKS ?= torch
TENSORFLOW := $(if $(shell command -v nvidia-smi 2>/dev/null),tensorflow,tensorflow-cpu)
STUDY := $(if $(filter all,$(FRAMEWORKS)),torch$(comma)$(TENSORFLOW)$(comma)jax,torch)

.PHONY: help study test check bench stats docs measure-memory validate calibrate clean

help:
	@echo "make study   measure this machine (at most 14 minutes) and make a page to open"
	@echo "make test    run the test suite"
	@echo "make check   lint, types, floors, sizes, documentation"
	@echo "make bench   overhead against a bare loop, cost of traces and predictions, what tuning brings; hours"
	@echo "make stats   how often this and other tools' rules are wrong, on made data"
	@echo "make docs    JSON Schemas, transcript and screenshot of the README, reference pages"
	@echo "make measure-memory   hold predicted memory against a GPU of this machine; goes on where it was stopped"
	@echo "make calibrate TABLES=FOLDER  fit the latency model to measured tables anew, after make validate"
	@echo "make validate TABLES=FOLDER   hold predicted times against measured tables, write docs/accuracy.md"
	@echo "make clean   remove .venv and everything built"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gpugap needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/study-$(FRAMEWORKS).done: $(SOURCES) | $(BIN)/python
	$(PIP) --editable '.[$(STUDY),report,nvidia]'
	@touch $@

$(VENV)/test.done: $(SOURCES) | $(BIN)/python
	$(PIP) --editable '.[torch,$(TENSORFLOW),jax,check]'
	@touch $@

study: $(VENV)/study-$(FRAMEWORKS).done
	$(BIN)/gpugap study --preset quick --frameworks $(FRAMEWORKS)

test: $(VENV)/test.done
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

check: $(VENV)/test.done
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/house

bench: $(VENV)/test.done
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/rendering.py
	$(BIN)/python benchmarks/identical.py
	$(BIN)/python benchmarks/tracing.py
	$(BIN)/python benchmarks/predicting.py
	$(BIN)/python benchmarks/tuning.py

stats: $(VENV)/test.done
	$(BIN)/python benchmarks/error_rates.py

docs: $(VENV)/test.done
	$(BIN)/python docs/build.py

measure-memory: $(VENV)/study-torch.done
	$(BIN)/python benchmarks/measure_memory.py

$(VENV)/validate.done: $(VENV)/test.done
	$(PIP) --editable '.[validate]'
	@touch $@

calibrate: $(VENV)/calibrate.done
	$(BIN)/python benchmarks/calibrate.py $(TABLES)

$(VENV)/calibrate.done: $(VENV)/validate.done
	$(PIP) --editable '.[calibrate]'
	@touch $@

validate: $(VENV)/validate.done
	$(BIN)/python benchmarks/validate.py $(TABLES)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
