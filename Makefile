# Two commands for a new user: `make demo` and `make test`. Everything they need is installed into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
K ?=
ONLY ?=
LAB ?= tests/lab

.PHONY: keys man fault-table fuzz guards prove two-consoles fault-matrix soak crash-matrix demo test test-long lint lab lab-image lab-test lab-long bench bench-lab screenshots wheel-test slip-test clean

$(VENV)/app: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo]"
	touch $@

$(VENV)/dev: $(VENV)/app
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,serve]" --group dev
	touch $@

demo: $(VENV)/app
	$(BIN)/splitmount demo

# Three workers for two cores: each waits a third of its time, for a shell, a disk or a timer.
test: $(VENV)/dev
	$(BIN)/python -m pytest -n 3 --dist worksteal --durations=25 $(if $(K),-k "$(K)",-m "not long")

test-long: $(VENV)/dev
	$(BIN)/python -m pytest -n 3 --dist worksteal -m long

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
	$(BIN)/python -m tests.bench docs/bench.md $(ONLY)

bench-lab: $(VENV)/dev
	SPLITMOUNT_LAB=1 $(BIN)/python -m pytest tests/lab -s --timeout=1800 -k "window or incremental or against_script"

screenshots: $(VENV)/dev
	$(BIN)/python -m tests.emulated.screenshots screenshots

fault-table: $(VENV)/dev
	$(BIN)/python -m tests.emulated.faults > docs/faults.md

soak: $(VENV)/dev
	$(BIN)/python -m tests.emulated.soak $(ONLY) > docs/soak.md

fault-matrix: $(VENV)/dev
	$(BIN)/python -m tests.emulated.faultmatrix $(ONLY) > docs/fault-matrix.md

crash-matrix: $(VENV)/dev
	$(BIN)/python -m tests.emulated.crashmatrix docs/crashes.md $(ONLY)

two-consoles: $(VENV)/dev
	$(BIN)/python -m tests.emulated.consoles > docs/consoles.md

fuzz: $(VENV)/dev
	$(BIN)/python -m tests.fuzz > docs/fuzz.md

keys: $(VENV)/dev
	$(BIN)/python -c "from tui.keys import document; print(*document(), sep=chr(10))" > docs/keys.md

man: $(VENV)/dev
	$(BIN)/python -c "from tui.arguments import VERSION, parser; from tui.manpage import page; print(page(parser(), VERSION), end='')" > docs/splitmount.1

guards: $(VENV)/dev
	$(BIN)/python -m tests.guards > docs/guards.md

prove: $(VENV)/dev
	$(BIN)/python -m tests.prove > docs/promises.md

slip-test: $(VENV)/dev
	SPLITMOUNT_SLIPS=1000 $(BIN)/python -m pytest tests/tui/test_guide.py -k slip -s --timeout=3600

wheel-test: $(VENV)/dev
	sh tests/wheel.sh $(abspath $(BIN)/python)

clean:
	rm -rf $(VENV) build dist *.egg-info
