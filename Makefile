# Two commands are all a fresh machine needs: `make demo` and `make test`. Each sets up .venv by itself.
SHELL := /bin/sh
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
# DynamoDB endpoints of other makers that the tests run on: one with an environment of its own, one where Node is
STAND_INS := .ministack/.ready .dynalite/.ready
DYNALITE := dynalite@4.0.0
SPARK_CLASSES := .venv/.spark-classes
# The tests run on three workers, a file at a time: each has a PostgreSQL, a DynamoDB endpoint and a Spark session. On two
# cores, too: two workers leave nearly half of them idle, waiting for disks, starts and settled writes
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Types are checked beside the tests, which leave a core idle now and then. What is said of them comes last; both must
# pass. A shell's child behind `&` hears no ^C by itself
WITH_TYPES = types=$$(mktemp); $(BIN)/mypy >"$$types" 2>&1 & mypy=$$!; trap 'kill $$mypy; rm -f "$$types"; exit 130' INT TERM; \
	$(1); tests=$$?; wait $$mypy; mypy=$$?; cat "$$types"; rm -f "$$types"; [ $$tests -eq 0 ] && [ $$mypy -eq 0 ]
# Bytecode of what nobody imports: tests of packages, and what moto's CloudFormation needs
UNUSED := site-packages/(.*/tests/|(sympy|mpmath|networkx|cfnlint)/)
export PYTHONDONTWRITEBYTECODE := 1


# `exec`: so that make, and no shell between, is the parent whose death ends what was started
.PHONY: demo ui servers psql environments test test-fast torture lint types format bench clean

demo: $(READY)  ## the whole story on embedded parts, ending in a report
	exec env CROSSOVER_DIE_WITH_PARENT=1 $(BIN)/crossover demo $(if $(SCALE),--scale $(SCALE)) $(if $(FOLDER),--folder $(FOLDER))

ui: $(READY)  ## the demo in Dagster, on 127.0.0.1
	exec env CROSSOVER_DIE_WITH_PARENT=1 $(BIN)/crossover ui $(if $(PORT),--port $(PORT))

servers: $(READY)  ## the demo's PostgreSQL and DynamoDB, kept open for the commands of another terminal
	exec env CROSSOVER_DIE_WITH_PARENT=1 $(BIN)/crossover demo --serve

psql: $(READY)  ## a prompt on the source database that CROSSOVER_SOURCE_URL names
	@$(BIN)/python -m pipelines.source.psql

# Side by side, for they wait for the network; all else is one after the other
ifdef SIDE_BY_SIDE
environments: $(READY) $(STAND_INS) $(SPARK_CLASSES)
	@:
else
.NOTPARALLEL:
environments:
	@$(MAKE) --no-print-directory -j3 SIDE_BY_SIDE=1 environments
endif

test: environments lint  ## everything
	@$(call WITH_TYPES,CROSSOVER_REQUIRE_MINISTACK=1 $(PYTEST))

test-fast: lint  ## what needs no Spark session and no process of its own; under two minutes
	@$(call WITH_TYPES,$(PYTEST) -m "unit or (property and not spark)")

torture: environments  ## the model at larger bounds, 100,000 transactions, 200 disturbed backfills; takes hours
	CROSSOVER_TORTURE=1 CROSSOVER_KILLS=5 $(BIN)/python -m pytest tests/model tests/e2e/test_demo.py \
		tests/e2e/test_interrupted.py tests/e2e/test_killed_stages.py tests/e2e/test_ui_killed.py \
		tests/integration/test_shop_end_to_end.py tests/integration/test_denormalise.py tests/integration/test_backfill_import.py \
		tests/integration/test_drains_killed.py tests/integration/test_everything_on.py \
		tests/integration/test_what_a_green_check_proves.py \
		tests/integration/test_protocol_failures.py \
		tests/integration/test_writers_unhindered.py tests/integration/test_judged_diff.py \
		tests/integration/test_repair_under_writers.py tests/integration/test_backfill_budget.py \
		tests/integration/test_backfills_under_faults.py tests/integration/test_reverse_apply_together.py \
		tests/integration/test_reverse_torture.py tests/integration/test_masters.py tests/integration/test_masters_switched.py \
		tests/integration/test_writes.py tests/integration/test_decommission.py tests/e2e/test_shop_service.py

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## the figures of the README, side by side in one run
	$(BIN)/python -m tests.bench

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q pipelines expectations dagster_defs examples
	$(BIN)/python -m compileall -qq -j 0 -x '$(UNUSED)' .venv/lib || true # pip takes one core; a file may be for another Python
	touch $(READY)

$(SPARK_CLASSES): $(READY) tests/spark_classes.py  # the tests do without it, slower
	$(BIN)/python -m tests.spark_classes || true
	touch $(SPARK_CLASSES)

.ministack/.ready: tests/ministack-constraints.txt
	$(PYTHON) -m venv .ministack
	.ministack/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/ministack-constraints.txt
	touch .ministack/.ready

.dynalite/.ready: Makefile
	mkdir -p .dynalite
	if command -v npm >/dev/null; then npm install --silent --no-save --no-package-lock --no-audit --no-fund --prefix .dynalite $(DYNALITE) || echo "no dynalite: its tests are skipped"; fi
	touch .dynalite/.ready

clean:
	rm -rf .venv .ministack .dynalite .crossover build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
