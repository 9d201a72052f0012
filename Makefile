# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.
# ARGS is handed on to pytest: make test ARGS="-x tests/test_packaging.py"

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHECKED := pagoefectivo_django $(wildcard example_project) tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help demo run test test-sqlite test-postgresql test-mariadb storm lint messages bench size wheel
# Only who calls pytest directly may choose a server of their own.
unexport TEST_DATABASE TEST_DATABASE_URL TEST_DATABASE_LOG

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

demo: $(READY)  ## play a sale from the order to the payment, here in the terminal
	$(BIN)/python example_project/demo.py

run: $(READY)  ## serve the example shop with its own PagoEfectivo
	$(BIN)/python example_project/demo.py --serve

test: test-sqlite test-postgresql  ## the whole suite, on SQLite and on PostgreSQL

test-sqlite: $(READY)  ## the suite on SQLite
	TEST_DATABASE=sqlite $(BIN)/python -m pytest $(ARGS)

test-postgresql: $(READY)  ## the suite on a PostgreSQL that the tests start themselves
	TEST_DATABASE=postgresql $(BIN)/python -m pytest $(ARGS)

test-mariadb: $(READY)  ## the suite on MariaDB; needs mariadbd, the headers of its client library, a C compiler
	$(BIN)/python -m pip install --quiet --editable '.[test,mysql]'
	TEST_DATABASE=mariadb $(BIN)/python -m pytest $(ARGS)

storm: $(READY)  ## kill processes at every point of every flow, and a storm of many at once: in full, on PostgreSQL
	STORM=full TEST_DATABASE=postgresql $(BIN)/python -m pytest tests/crash tests/storm $(ARGS)

lint: $(READY)  ## style, types, known weaknesses, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CHECKED)
	$(BIN)/bandit --quiet --recursive pagoefectivo_django 2>/dev/null
	@echo 'pip-audit: what is known of the packages that are installed'; \
	    $(BIN)/pip-audit --skip-editable --progress-spinner off >$(VENV)/audit.txt 2>&1; \
	    if grep -q '^Found [0-9]' $(VENV)/audit.txt; then cat $(VENV)/audit.txt; exit 1; fi; \
	    if ! grep -q '^No known vulnerabilities' $(VENV)/audit.txt || grep -q 'could not be audited' $(VENV)/audit.txt; then \
	        echo "!!! pip-audit could NOT look at everything: see $(VENV)/audit.txt"; fi
	$(BIN)/python -m django makemigrations pagoefectivo --check --dry-run --settings tests.settings

messages: $(READY)  ## bring the translations up to date with the code, compile them, and say what is left to translate
	$(BIN)/python -m tests.catalogues

bench: $(READY)  ## how fast it is, as ratios in one run on PostgreSQL; some minutes, on a quiet machine
	$(BIN)/python -m benchmarks $(ARGS)

size:  ## lines of Python in the app, without sandbox, templates and migrations
	@find pagoefectivo_django -name '*.py' -not -path '*/sandbox/*' -not -path '*/templates/*' -not -path '*/migrations/*' \
	    -exec wc -l {} + | awk '$$2 != "total" { \
	        n = split($$2, part, "/"); folder = n > 2 ? part[2] "/" : "."; lines[folder] += $$1; all += $$1 } \
	    END { for (folder in lines) printf "%6d  %s\n", lines[folder], folder | "sort -k2"; \
	        close("sort -k2"); printf "%6d  total\n", all }'

wheel: $(READY)  ## build the wheel into dist/
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist

$(READY): setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,lint,postgresql]'
	touch $@
