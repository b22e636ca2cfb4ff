# make book    build the pages into _build/html (a second run skips what is up to date)
# make test    lint, unit tests, every chapter re-run and compared (nbval), browser tests
# Everything is installed into .venv on first use; nothing outside this folder is touched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
HTML   := _build/html
BUILT  := _build/.built
LAB    ?= book
# Workers of the tests: one more than cores, since browsers and kernels are waited for; three at most, for memory's sake.
JOBS   ?= 3

# What Colab preinstalls, in an environment of its own; with Python 3.13 as there, on PATH or from pyenv, if there is one.
COLAB        := .venv-colab
COLAB_PYTHON ?= $(shell for python in python3.13 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13.*/bin/python3.13 $(PYTHON); \
	do $$python -c "" >/dev/null 2>&1 && { echo $$python; break; }; done)

# Modules are compiled when they are first used: for pip to compile all 15,800 takes a minute. What is compiled then
# is kept, also where containers say not to: some forty processes would compile the same files again.
unexport PYTHONDONTWRITEBYTECODE

# Tests and compared chapters run alike everywhere: the smallest scale, one thread, no data of one machine.
SMOKE := env -u CNNLAB_DATA CNNLAB_SCALE=smoke OMP_NUM_THREADS=1
QUICK := $(SMOKE) PYTHONPATH="$(CURDIR)/tests/without$${PYTHONPATH:+:$$PYTHONPATH}"

SOURCES := $(wildcard _config.yml _toc.yml index.md) \
	$(shell find book -mindepth 1 \( -name .ipynb_checkpoints -o -name __pycache__ \) -prune -o -print 2>/dev/null) \
	$(shell find cnnlab -name '*.py' 2>/dev/null)

.PHONY: help setup book chapter editions test test-fast test-full test-colab test-gpu lint format nbval bench lab execute publish-url
.PHONY: clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make book         build the book into $(HTML)"
	@echo "make chapter      lay the skeleton of a new one: PART=architectures NAME=capsnet TITLE=\"CapsNet\""
	@echo "make editions     the chapters as plain notebooks for Colab and Jupyter, into _build/editions (REF=tag pins them)"
	@echo "make test         lint, unit tests, every chapter (nbval) and the browser tests; CHAPTERS=\"lenet zoo\": what is theirs"
	@echo "make test-fast    lint and the quick unit tests"
	@echo "make test-full    make test, the contract for the largest models too, and make test-colab"
	@echo "make test-colab   every chapter, the set-up cell and the lab with the versions that Colab preinstalls"
	@echo "make test-gpu     what differs on a GPU, in a few minutes; where there is none it says so"
	@echo "make lab          open the chapters in JupyterLab; after make editions, LAB=_build/editions is better to read"
	@echo "make bench        the measured comparisons in benchmarks/"
	@echo "make execute      run chapters and store their outputs: CHAPTERS=\"book/...ipynb ...\", else all of them"
	@echo "make publish-url  say where the repository lives: URL=https://github.com/owner/name [REF=tag]"
	@echo "make format       let ruff format the code and the notebooks"
	@echo "make clean        remove what was built; make distclean removes .venv and .venv-colab too"

setup: $(READY)

$(READY): requirements.txt constraints.txt pyproject.toml setup.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name the one \
there is: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Building the book needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V 2>&1`. Try: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python could not make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing what requirements.txt pins into $(VENV) (several GB the first time; a few minutes)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

book: $(BUILT)
	@echo "The book is up to date. Open $(abspath $(HTML)/index.html)"

$(BUILT): $(READY) $(SOURCES)
	@# A page read once is not read again and would not warn again: after a failure, read everything.
	@$(BIN)/python tools/build_book.py || { rm -rf _build/.doctrees; exit 1; }
	@touch $@

chapter: $(READY)
	@test -n "$(PART)" -a -n "$(NAME)" -a -n "$(TITLE)" || \
		{ echo 'Say which: make chapter PART=architectures NAME=capsnet TITLE="CapsNet"'; exit 1; }
	@$(BIN)/python tools/new_chapter.py "$(PART)" "$(NAME)" "$(TITLE)"

editions: $(READY)
	@$(BIN)/python tools/editions.py $(if $(REF),--ref "$(REF)")

# The explorers' JavaScript, where there is Node: biome comes into node_modules as package-lock.json pins it.
BIOME  := node_modules/.bin/biome
JSLINT = if command -v npm >/dev/null; then test -x $(BIOME) || npm ci --silent --no-audit --no-fund; $(BIOME) ci --error-on-warnings; \
	elif [ "$$CNNLAB_REQUIRE_NODE" = 1 ]; then echo "Node is missing: apt-get install npm"; exit 1; \
	else echo "no Node here: the explorers' JavaScript is not linted"; fi

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(JSLINT)
	@said=$$(PYTHONPATH=. $(BIN)/lint-imports --no-logo --no-cache 2>&1) || { echo "$$said"; exit 1; }

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@if test -x $(BIOME); then $(BIOME) check --write; fi

# One pytest run, so that one line at the end counts everything. A file's tests stay on one worker.
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with=tests/nbval_sanitize.cfg --nbval-cell-timeout=300

test: lint book
	@$(QUICK) $(BIN)/python -m pytest tests book -m "not full and not colab" $(NBVAL) -n $(JOBS) --dist loadfile -q -r sfE --durations=15 \
		$(if $(CHAPTERS),--chapters "$(CHAPTERS)")

test-full: lint book
	@$(QUICK) $(BIN)/python -m pytest tests book -m "not colab" $(NBVAL) -n $(JOBS) --dist loadfile -q -r sfE --durations=15
	@$(MAKE) --no-print-directory test-colab

test-gpu: $(READY)
	@$(SMOKE) $(BIN)/python -m pytest tests -m gpu -q -r s --durations=10

test-colab: $(READY) $(COLAB)/.ready
	@$(SMOKE) $(BIN)/python tools/colab_run.py --jobs $(JOBS) $(CHAPTERS)
	@$(SMOKE) $(BIN)/python -m pytest tests/colab tests/test_colab.py -m colab -q -r sfE

$(COLAB)/.ready: tests/colab/requirements.txt tests/colab/constraints.txt
	@test -x $(COLAB)/bin/python || $(COLAB_PYTHON) -m venv $(COLAB) || { rm -rf $(COLAB); exit 1; }
	@echo "Installing what Colab brings into $(COLAB), for `$(COLAB)/bin/python -V` (3.13 where there is one; several GB)"
	@$(COLAB)/bin/python -m pip install -q --disable-pip-version-check --no-compile -r tests/colab/requirements.txt
	@touch $@

# Nothing is waited for here: a worker for each of two cores, since each takes ten seconds to find the tests.
test-fast: lint
	@$(QUICK) $(BIN)/python -m pytest tests -m "not slow and not full and not browser and not colab" -n 2 --dist loadfile -q

nbval: $(READY)
	@$(SMOKE) $(BIN)/python -m pytest $(or $(CHAPTERS),book) $(NBVAL) -q --durations=5

execute: $(READY)
	@$(BIN)/python tools/execute_notebooks.py $(CHAPTERS)

bench: $(READY)
	@set -e; for file in $$(ls benchmarks/[!_]*.py); do echo "== $$file"; $(BIN)/python $$file; done

lab: $(READY)
	@$(BIN)/jupyter lab $(LAB)

publish-url: $(READY)
	@test -n "$(URL)" || { echo "Say where: make publish-url URL=https://github.com/owner/name [REF=tag]"; exit 1; }
	@$(BIN)/python tools/publish_url.py "$(URL)" $(if $(REF),"$(REF)")

clean:
	@rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find book cnnlab tests tools experiments benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	@rm -rf $(VENV) $(COLAB)
