# `make help` lists what there is. Everything is installed into .venv, with the versions of
# constraints.txt. For Linux and macOS; Windows users find plain lines in README.md. PYTHON chooses the interpreter: make repro PYTHON=python3.12
# `make repro STUDY=padding SCALE=full` chooses what is run (writes params.yaml).
# `make repro LAUNCH=slurm` has the seeds trained by a launcher of conf/launch; LAUNCH='slurm hydra.launcher.partition=cpu' sets more.
.DEFAULT_GOAL := help
.PHONY: help install download repro repro-in-turn test soak test-engines test-servers check format bench bench-gpu ui clean

VENV := .venv
PYTHON ?= python3
PORT ?= 5000
BIN := $(VENV)/bin
# Stages call `python` and find this one first; nothing needs to be activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUTF8 := 1

help: ## what there is, a line each
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); name one: make repro PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V); name another: make repro PYTHON=python3.12" >&2; exit 2; }
	@echo "making $(VENV) and installing (once; two to five minutes)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the test tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,launchers,search]'
	@touch $@

# DVC keeps its cache without git too: an unpacked archive has no .git.
.dvc/config.local: | $(VENV)/.installed
	@test -e .git || $(BIN)/dvc config --local core.no_scm true
	@test -e $@ || touch $@

install: $(VENV)/.installed .dvc/config.local ## make .venv and install the pipeline

download: install ## fetch the data set again, where only the fallback is there
	@$(BIN)/dvc repro --force --single-item download

$(VENV)/.installed-launchers: $(VENV)/.installed
	@echo "installing the launchers"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[launchers]'
	@touch $@

repro: install $(if $(filter joblib slurm ray,$(LAUNCH)),$(VENV)/.installed-launchers) ## download, train, evaluate, compare, report; then the results in short
	@$(BIN)/python -m convchoice.runs.locks $(MAKE) --no-print-directory repro-in-turn

repro-in-turn: # while no other `make repro` is at work here
	@$(if $(STUDY)$(SCALE)$(LAUNCH),$(BIN)/python -m convchoice.choose $(if $(STUDY),--study '$(STUDY)') $(if $(SCALE),--scale '$(SCALE)') $(if $(LAUNCH),--launch '$(LAUNCH)'))
	@$(if $(LAUNCH),CONVCHOICE_LAUNCH='$(LAUNCH)') $(BIN)/dvc repro
	@$(BIN)/python -m convchoice.summary --params params.yaml

test: $(VENV)/.installed-dev ## run the tests
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

soak: $(VENV)/.installed-dev ## long campaigns of faults: kills, drawn configurations, bad mirrors (three quarters of an hour)
	@$(BIN)/python -m pytest -m soak -rP

test-engines: $(VENV)/.installed-dev ## run sweeps through a Slurm and a Ray started here (as root; 20 minutes)
	@$(BIN)/python -m pytest -m 'slurm or ray'

test-servers: $(VENV)/.installed-dev ## run the tests that start an MLflow server and PostgreSQL (minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server]'
	@$(BIN)/python -m pytest -m server

check: $(VENV)/.installed-dev ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(VENV)/.installed-dev ## mend the format and what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## speed against peers, in turns (half an hour)
	@$(BIN)/python bench/training.py
	@$(BIN)/python bench/seeds.py
	@$(BIN)/python bench/bookkeeping.py
	@$(BIN)/python bench/evaluation.py
	@$(BIN)/python bench/growth.py
	@$(BIN)/python bench/pipeline.py
	@$(BIN)/python bench/freed_memory.py

bench-gpu: ## seeds together on a GPU, and the full studies there (PYTHON=…, no network needed)
	@PYTHONPATH=src:bench $(PYTHON) bench/gpu.py

ui: install ## MLflow's pages on http://127.0.0.1:5000 (PORT=…), with the runs
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port $(PORT)

clean: ## remove what was made here, but for .venv, the data and the reports
	rm -rf .work configs configs.partial configs.replaced trained runs compared mlflow.db mlartifacts .mlflow.db.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
