# The commands of this repository. They need Python 3.11 or newer, git and make; what else is needed, they fetch.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Programs that tests talk to, or that talk to Outpost, and cannot share its environment, nor each other's.
SIDE_ENVIRONMENTS := $(patsubst tests/environments/%.txt,.cache/%/.ready,$(wildcard tests/environments/*.txt))

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
PYTEST_WORKERS ?= 0
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test servers check lint types contracts wheel docs lock clean

help: ## Show the commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=/path/to/python3   the Python to make .venv with (3.11 to 3.14)"
	@echo "  ARGS='-k retry --long'    more arguments for what run or test starts"
	@echo "  PYTEST_WORKERS=2          test processes side by side"

run: $(READY) ## Start Outpost on this machine, with everything it needs, to try it out.
	@$(BIN)/outpost dev $(ARGS)

test: $(READY) $(SIDE_ENVIRONMENTS) servers ## Run all tests.
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(ARGS)

servers: $(READY) ## Obtain the servers that tests start.
	@tools/test-servers

check: ## Do exactly what CI does: lint, types, contracts, wheel, tests.
	@.ci/run

lint: $(READY) ## Check style and formatting.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## Check types, strictly in src.
	@$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(READY) ## Check who may import whom.
	@$(BIN)/lint-imports

wheel: $(READY) $(SIDE_ENVIRONMENTS) ## Build the sdist and the wheel, and test the wheel away from src.
	@tools/test-wheel

docs: $(READY) ## Write the generated pages anew.
	@$(BIN)/python -m tools.generate_docs

lock: ## Move constraints.txt and the other pins to the newest versions.
	@tools/lock

clean: ## Remove environments, caches and builds; keep outpost-data.
	rm -rf $(VENV) .cache dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@python=$$(tools/find-python) && echo "Making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt editables hatchling
	@$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

.cache/%/.ready: tests/environments/%.txt | $(READY)
	@echo "Making .cache/$*"
	@$(BIN)/python -m venv --clear .cache/$*
	@.cache/$*/bin/python $(PIP_INSTALL) --no-deps --requirement $<  # the file names them all that are wanted
	@touch $@
