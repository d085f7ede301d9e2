# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SIZES ?= 10000 100000
# Rivals that `make bench` leaves out, separated by commas.
SKIP ?=

.PHONY: env demo test test-long oracle orders risk mutants faults lint smoke wheel docs bench bench-rules
.PHONY: bench-profile lock sbom clean
.DELETE_ON_ERROR:

env: $(STAMP)

# The lock constrains as well: else pip takes the newest of a package that is asked for with an extra.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -c requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: env
	$(BIN)/keel demo --dir demo

test: env
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-long: env
	$(BIN)/python -m pytest -m long --hypothesis-profile random

oracle: env
	$(BIN)/python -m pytest tests/test_oracle_at_scale.py -m long -p no:randomly --log-cli-level=INFO

risk: env
	$(BIN)/python -m pytest tests/risk -m long -p no:randomly --log-cli-level=INFO

mutants: env
	$(BIN)/python -m pytest tests/mutants -m long -p no:randomly --log-cli-level=INFO

faults: env
	$(BIN)/python -m pytest tests/faults tests/privacy -m long --hypothesis-profile random --log-cli-level=INFO
	$(BIN)/python -m tests.faults.fuzz

orders: env
	KEEL_TEST_ORDERS=500 $(BIN)/python -m pytest tests/load/test_state_machine.py --hypothesis-profile random

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

smoke: env
	$(BIN)/python -m pytest -n 2 --dist worksteal -m prefect tests/e2e tests/privacy

wheel: env
	sh .ci/wheel

docs: env
	$(BIN)/python -m checks.reference docs/reference/feeds
	$(BIN)/python -m protocols.schema docs/reference/protocol.schema.json
	$(BIN)/python -m protocols.pages docs/reference/protocols
	$(BIN)/python -m protocols.reference docs/reference
	$(BIN)/python -m flows.commands.reference docs/reference/commands.md

bench: env
	for n in $(SIZES); do $(BIN)/python -m tests.bench.rules --sessions $$n --skip "$(SKIP)" \
		&& $(BIN)/python -m tests.bench --sessions $$n --skip "$(SKIP)" || exit 1; done
	$(BIN)/python -m tests.bench.page

bench-profile: env
	$(BIN)/python -m tests.bench.profiled
	$(BIN)/python -m tests.bench.page

bench-rules: env
	$(BIN)/python -m tests.bench.rules
	$(BIN)/python -m tests.bench.page

lock:
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--python-version 3.11 --extra dev pyproject.toml -o requirements.lock

sbom: env
	sh .ci/sbom dist/sbom.json

clean:
	rm -rf demo dist build $(VENV)
