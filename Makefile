# Two commands for a new user: `make demo` and `make test`. Everything they need is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
K ?=
ONLY ?=
LAB ?= tests/lab

.PHONY: fault-table fuzz guards crash-matrix demo test lint lab lab-image lab-test lab-long bench screenshots wheel-test slip-test clean

$(VENV)/app: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo]"
	touch $@

$(VENV)/dev: $(VENV)/app
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	touch $@

demo: $(VENV)/app
	$(BIN)/splitmount demo

test: $(VENV)/dev
	$(BIN)/python -m pytest -n auto --dist worksteal $(if $(K),-k "$(K)")

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(VENV)/dev
	$(BIN)/python -m tests.lab -- $(BIN)/splitmount --config {config}

lab-image: $(VENV)/dev
	$(BIN)/python -m tests.lab.image

lab-test: $(VENV)/dev
	SPLITMOUNT_LAB=1 $(BIN)/python -m pytest $(LAB) -s --timeout=900 --durations=15 $(if $(K),-k "$(K)",-m "not long")

lab-long: $(VENV)/dev
	SPLITMOUNT_LAB=1 $(BIN)/python -m pytest $(LAB) -s --timeout=1800 --durations=15 -m long $(if $(K),-k "$(K)")

bench: $(VENV)/dev
	SPLITMOUNT_LAB=1 $(BIN)/python -m pytest tests/lab -s --timeout=900 -k "window or incremental"

screenshots: $(VENV)/dev
	$(BIN)/python -m tests.emulated.screenshots screenshots

fault-table: $(VENV)/dev
	$(BIN)/python -m tests.emulated.faults > docs/faults.md

crash-matrix: $(VENV)/dev
	$(BIN)/python -m tests.emulated.crashes $(ONLY) > docs/crashes.md

fuzz: $(VENV)/dev
	$(BIN)/python -m tests.fuzz > docs/fuzz.md

guards: $(VENV)/dev
	$(BIN)/python -m tests.guards > docs/guards.md

slip-test: $(VENV)/dev
	SPLITMOUNT_SLIPS=1000 $(BIN)/python -m pytest tests/tui/test_guide.py -k slip -s --timeout=3600

wheel-test: $(VENV)/dev
	sh tests/wheel.sh $(abspath $(BIN)/python)

clean:
	rm -rf $(VENV) build dist *.egg-info
