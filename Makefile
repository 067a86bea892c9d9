# Everything is installed into .venv, with the versions of constraints.txt. For Linux and macOS;
# README.md has the commands for Windows.
.DEFAULT_GOAL := help
.PHONY: help install download repro repro-locked test soak test-engines test-servers check stats format bench bench-gpu full-gpu ui clean

VENV := .venv
PYTHON ?= python3
PORT ?= 5000
MINUTES ?= 9
BIN := $(VENV)/bin
# Stages find `convchoice` and `python` here first: no environment needs to be activated.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUTF8 := 1
export CONVCHOICE_ALLOW_CODE := $(ALLOW_CODE)

help: ## list the targets and variables
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo "variables of make repro (all but LAUNCH are remembered in params.yaml):"
	@echo "  STUDY=padding,locality  studies in conf/study, a YAML file of your own, or all"
	@echo "  SCALE=quick             how much is computed: demo, quick, reduced, full"
	@echo "  SURVIVE=pooling         repeat contrasts with other learning rates, lengths (hours)"
	@echo "  ALLOW_CODE=1            run code that a study from elsewhere names"
	@echo "  LAUNCH=slurm            train through a launcher in conf/launch; more settings:"
	@echo "                          LAUNCH='slurm hydra.launcher.partition=cpu'"
	@echo "of every target: PYTHON=python3.12 (the interpreter); of make ui: PORT=8080"
	@echo "The command line: .venv/bin/convchoice --help"

$(VENV)/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found. Name another interpreter: make repro PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V); name another interpreter: make repro PYTHON=python3.12" >&2; exit 2; }
	@echo "creating $(VENV) and installing (once, two to five minutes)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the test tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,launchers,search]'
	@touch $@

# An unpacked archive has no .git; DVC works without.
.dvc/config.local: | $(VENV)/.installed
	@test -e .git || $(BIN)/dvc config --local core.no_scm true
	@test -e $@ || touch $@

install: $(VENV)/.installed .dvc/config.local ## create .venv and install convchoice

download: install ## download the data set again, for example if only the fallback was available
	@$(BIN)/dvc repro --force --single-item download

$(VENV)/.installed-launchers: $(VENV)/.installed
	@echo "installing the launchers"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[launchers]'
	@touch $@

repro: install $(if $(filter joblib slurm ray,$(LAUNCH)),$(VENV)/.installed-launchers) ## download, train, evaluate, compare, report; print the verdicts
	@$(BIN)/python -m convchoice.runs.locks $(MAKE) --no-print-directory repro-locked

repro-locked: # one at a time in this folder
	@for each in data trained runs configs; do test ! -L $$each || { echo "error: $$each is a link, and DVC refuses results behind one. Link the whole project folder instead." >&2; exit 2; }; done
	@test ! -e .dvc/tmp/rwlock || $(BIN)/python -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1 || { echo "removing .dvc/tmp/rwlock, which DVC left unreadable when it was stopped"; rm .dvc/tmp/rwlock; }
	@$(if $(STUDY)$(SCALE)$(SURVIVE)$(LAUNCH),$(BIN)/convchoice choose $(if $(STUDY),--study '$(STUDY)') $(if $(SCALE),--scale '$(SCALE)') $(if $(SURVIVE),--survive '$(SURVIVE)') $(if $(LAUNCH),--launch '$(LAUNCH)'))
	@$(if $(LAUNCH),CONVCHOICE_LAUNCH='$(LAUNCH)') $(BIN)/dvc repro
	@$(BIN)/convchoice summary --params params.yaml
	@$(BIN)/convchoice check --params params.yaml

test: $(VENV)/.installed-dev ## run the tests
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

soak: $(VENV)/.installed-dev ## fault campaigns: kills, random configurations, bad mirrors (45 minutes)
	@$(BIN)/python -m pytest -m soak -rP

test-engines: $(VENV)/.installed-dev ## run sweeps through a local Slurm and Ray (as root; 20 minutes)
	@$(BIN)/python -m pytest -m 'slurm or ray'

test-servers: $(VENV)/.installed-dev ## run the tests with an MLflow server and PostgreSQL (minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server]'
	@$(BIN)/python -m pytest -m server

check: $(VENV)/.installed-dev ## check format, lint, types, dead code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python tests/dead_code.py

stats: $(VENV)/.installed-dev ## print sizes of modules and functions, and import cycles
	@$(BIN)/python tests/stats.py

format: $(VENV)/.installed-dev ## fix the format and what lint can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install ## measure speed against other programs (half an hour)
	@$(BIN)/python bench/training.py
	@$(BIN)/python bench/seeds.py
	@$(BIN)/python bench/overhead.py
	@$(BIN)/python bench/evaluation.py
	@$(BIN)/python bench/growth.py
	@$(BIN)/python bench/pipeline.py
	@$(BIN)/python bench/freed_memory.py

bench-gpu: ## measure stacked seeds and peers on a GPU (PYTHON=…, no network needed)
	@PYTHONPATH=src:bench $(PYTHON) bench/gpu.py

full-gpu: ## studies at full scale on a GPU (MINUTES=9 ARGUMENTS=… PYTHON=…; without network)
	@PYTHONPATH=src $(PYTHON) -m convchoice full --minutes $(MINUTES) $(ARGUMENTS)

ui: install ## show the runs in MLflow, on http://127.0.0.1:5000 or a free port
	@$(BIN)/convchoice ui --port $(PORT)

clean: ## remove caches and temporary files; keep .venv, data, runs, MLflow's store and reports
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .work compared
