# Needs Python 3.11 or newer, pip and make; everything else goes into .venv, for the demo into .venv-demo, for the manual into .venv-docs.
# ARGS is handed on to pytest: make test ARGS="-x tests/test_packaging.py"
# CHOICE chooses tests by pytest's marks, which pyproject.toml explains: make test-mariadb CHOICE=smoke
# Another Python beside it: make test-sqlite PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
ARGS ?=
PART ?=
MINUTES ?= 10
SEED ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .venv-demo
DOCS := .venv-docs
LOCKER := .venv-lock
NEWEST := .venv-newest

# What is installed is locked: versions and hashes stand in requirements/*.txt, for every Python that we support.
# Sources are built with the locked setuptools (--no-build-isolation), and nothing comes along that is not locked (--no-deps).
PIP := -m pip --quiet --disable-pip-version-check
INSTALL := $(PIP) install --require-hashes --no-deps --no-build-isolation --requirement
INSTALL_OURS := $(PIP) install --no-deps --no-build-isolation --editable
# Each worker of the tests has a database server of its own; tests of one group stay on one worker.
PYTEST = $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadgroup
# AUDIT=no where the service of known weaknesses cannot be reached; lint says then that nothing was audited.
AUDIT ?= yes
# Random stories that are proofs: short in the suite or not there, long in the storm.
PROOFS := $(wildcard tests/flows/test_any_story.py tests/flows/test_interleavings.py tests/flows/test_model.py \
    tests/flows/test_pairs_at_once.py \
    tests/settlements/test_books.py tests/settlements/test_killed.py tests/settlements/test_two_imports.py)
UPGRADE ?= --upgrade
COMPILE = env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_CONSTRAINT -u UV_OVERRIDE -u UV_PRERELEASE \
    $(LOCKER)/bin/uv --no-config --quiet pip compile --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(UPGRADE)
COMPILE_OTHERS = $(COMPILE) --constraints requirements/test.txt
CHECKED := pagoefectivo_django $(wildcard example_project) tests tools benchmarks docs

.DEFAULT_GOAL := help
.PHONY: help demo run test test-sqlite test-postgresql test-mariadb slow storm fuzz mutants newest lint audit docs lock messages bench size house prose wheel
# Only who calls pytest directly may choose a server of their own.
unexport TEST_DATABASE TEST_DATABASE_URL TEST_DATABASE_LOG
# Where Python may not keep what it compiled, each worker and each child of a test compiles everything again: a minute a run.
unexport PYTHONDONTWRITEBYTECODE

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

demo: $(DEMO)/.ready  ## play a sale from the order to the payment, here in the terminal
	$(DEMO)/bin/python example_project/demo.py

run: $(DEMO)/.ready  ## serve the example shop with its own PagoEfectivo
	$(DEMO)/bin/python example_project/demo.py --serve

# Both at once, since the tests of PostgreSQL often wait: for locks, for processes that hang, for the storm's shoppers.
test: $(READY)  ## the whole suite: on SQLite, and once more on PostgreSQL what a database can change
	@echo 'PostgreSQL is tested at the same time; its output comes at the end: $(VENV)/postgresql.log'
	@$(MAKE) --no-print-directory test-postgresql >$(VENV)/postgresql.log 2>&1 & postgresql=$$!; \
	    $(MAKE) --no-print-directory test-sqlite; failed=$$?; \
	    wait $$postgresql || failed=$$?; cat $(VENV)/postgresql.log; exit $$failed

test-sqlite: $(READY)  ## the suite on SQLite
	TEST_DATABASE=sqlite $(PYTEST) -m '$(CHOICE)' $(ARGS)

test-postgresql: CHOICE ?= every_database
test-postgresql: $(READY)  ## what a database can change, on a PostgreSQL that the tests start themselves
	TEST_DATABASE=postgresql $(PYTEST) -m '$(CHOICE)' $(ARGS)

test-mariadb: CHOICE ?= every_database
test-mariadb: $(VENV)/.mariadb  ## the same on MariaDB; needs mariadbd, the headers of its client library, a C compiler
	TEST_DATABASE=mariadb $(PYTEST) -m '$(CHOICE)' $(ARGS)

slow: $(READY)  ## the suite on SQLite, then its thirty slowest tests and what each folder costs
	TEST_DATABASE=sqlite $(PYTEST) --slow -m '$(CHOICE)' $(ARGS)

# PART=2/6 is the second of six parts of the first line; the storm itself, which wants all cores, belongs to part 1.
storm: $(READY)  ## kill processes at every point of every flow, and a storm of many at once: in full, on PostgreSQL
	STORM=full STORM_PART=$(PART) TEST_DATABASE=postgresql $(PYTEST) tests/crash $(PROOFS) $(ARGS)
	$(if $(filter-out 1/%,$(PART)),,STORM=full TEST_DATABASE=postgresql $(BIN)/python -m pytest tests/storm $(ARGS))

# PostgreSQL holds less than SQLite. Each failure is printed with its seed: make fuzz SEED=7 MINUTES=0 sends the same.
fuzz: $(READY)  ## throw anything at each door (webhook, pages, admin, files, commands, orders), ten minutes a door; MINUTES=1
	FUZZ_MINUTES=$(MINUTES) FUZZ_SEED=$(SEED) TEST_DATABASE=postgresql $(PYTEST) $(wildcard tests/hostile/test_fuzz*.py) $(ARGS)

mutants: $(READY)  ## break each promise of the design in a copy, and see that the tests notice
	$(BIN)/python -m tests.mutants

# The only one that is not locked. It shows what is coming, and gates nothing.
newest: BIN = $(NEWEST)/bin
newest:  ## the suite on SQLite with the newest of everything that setup.cfg allows; says what fails, and fails never
	@$(PYTHON) -m venv --clear $(NEWEST) && \
	    $(BIN)/python $(PIP) install --editable '.[test,postgresql]' && \
	    $(BIN)/python -m tools.lock && \
	    TEST_DATABASE=sqlite $(PYTEST) $(ARGS) && echo 'The suite passes with the newest of everything.' || \
	    echo '!!! The suite does NOT pass with the newest of everything. This gates nothing: it shows what is coming.'

lint: $(VENV)/.lint  ## style, types, known weaknesses, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)
	$(BIN)/bandit --quiet --recursive pagoefectivo_django 2>/dev/null
	$(BIN)/python -m django makemigrations pagoefectivo --check --dry-run --settings tests.settings
	@$(MAKE) --no-print-directory audit

audit: $(if $(filter no,$(AUDIT)),$(READY),$(VENV)/.audit)  ## known weaknesses of what is locked; AUDIT=no where that cannot be looked up
	AUDIT=$(AUDIT) $(BIN)/python -m tools.audit $(BIN)/pip-audit

# Only what is installed beforehand is needed: neither the build nor the pages ask another host.
docs: $(DOCS)/.ready  ## build the manual into build/docs, where a warning is an error
	$(DOCS)/bin/python -m sphinx --builder html --fresh-env --nitpicky --fail-on-warning --keep-going --quiet \
	    --doctree-dir build/doctrees docs build/docs
	@echo 'build/docs/index.html'

messages: $(READY)  ## bring the translations up to date with the code, compile them, and say what is left to translate
	$(BIN)/python -m tests.catalogues

bench: $(READY)  ## how fast it is, as ratios in one run on PostgreSQL; some minutes, on a quiet machine
	$(BIN)/python -m benchmarks $(ARGS)

# A machine's further indexes and wish lists stay out; UV_DEFAULT_INDEX stays, and is not written down.
lock: $(LOCKER)/.ready  ## renew requirements/*.txt; UPGRADE= keeps what still fits setup.cfg, UPGRADE="-P NAME" renews one
	$(COMPILE) setup.cfg requirements/test.in --extra test --extra postgresql --output-file requirements/test.txt
	$(COMPILE_OTHERS) setup.cfg --output-file requirements/core.txt
	$(COMPILE_OTHERS) setup.cfg --extra lint --output-file requirements/lint.txt
	$(COMPILE_OTHERS) setup.cfg --extra mysql --output-file requirements/mariadb.txt
	$(foreach set,$(filter-out test,$(basename $(notdir $(wildcard requirements/*.in)))),\
	    $(COMPILE_OTHERS) requirements/$(set).in --output-file requirements/$(set).txt &&) true

size:  ## lines of Python in the app, without sandbox, templates and migrations
	@find pagoefectivo_django -name '*.py' -not -path '*/sandbox/*' -not -path '*/templates/*' -not -path '*/migrations/*' \
	    -exec wc -l {} + | awk '$$2 != "total" { \
	        n = split($$2, part, "/"); folder = n > 2 ? part[2] "/" : "."; lines[folder] += $$1; all += $$1 } \
	    END { for (folder in lines) printf "%6d  %s\n", lines[folder], folder | "sort -k2"; \
	        close("sort -k2"); printf "%6d  total\n", all }'

house: $(READY)  ## the structure in figures: rooms, floors and arrows of flows/, long files and functions, duplicates
	@$(BIN)/python -m tools.house

prose: $(READY)  ## how much of the docstrings stands for something that is named elsewhere
	@$(BIN)/python -m tools.prose

wheel: $(READY)  ## build the wheel into dist/, and the bill of what it was tested with (CycloneDX)
	rm -rf build/lib build/bdist.* dist
	$(BIN)/python $(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m tools.sbom dist
	@ls dist

# Everything again from nothing when the lock changes, so that nothing stays behind; our own metadata when that changes.
# setuptools-scm goes when the sources are built: a build of ours would ask for its version there.
$(VENV)/.locked: requirements/build.txt requirements/sources.txt requirements/test.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(INSTALL) requirements/build.txt
	$(BIN)/python $(INSTALL) requirements/sources.txt
	$(BIN)/python $(INSTALL) requirements/test.txt
	$(BIN)/python $(PIP) uninstall --yes setuptools-scm vcs-versioning
	touch $@

$(READY): $(VENV)/.locked setup.cfg pyproject.toml
	$(BIN)/python $(INSTALL_OURS) .
	touch $@

$(VENV)/.lint $(VENV)/.audit $(VENV)/.mariadb: $(VENV)/.%: requirements/%.txt $(READY)
	$(BIN)/python $(INSTALL) $<
	touch $@

# Only what a shop needs.
$(DEMO)/.ready: requirements/core.txt
	$(PYTHON) -m venv --clear $(DEMO)
	$(DEMO)/bin/python $(INSTALL) requirements/core.txt
	touch $@

# The pages that are read from the code need what the app needs.
$(DOCS)/.ready: requirements/core.txt requirements/docs.txt
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python $(INSTALL) requirements/core.txt
	$(DOCS)/bin/python $(INSTALL) requirements/docs.txt
	touch $@

$(LOCKER)/.ready: requirements/uv.txt
	$(PYTHON) -m venv --clear $(LOCKER)
	$(LOCKER)/bin/python $(INSTALL) requirements/uv.txt
	touch $@
