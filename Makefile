# Two commands are enough: `make run` and `make test`. Each installs what it needs, once; afterwards neither needs a network.

PYTHON ?= python3
VENV := .venv
SPACES_VENV := .venv-spaces
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
PIP_ARGS ?=
PYTEST_ARGS ?= -n 2 --dist loadfile

export HF_HUB_DISABLE_TELEMETRY := 1
export HF_UPDATE_DOWNLOAD_COUNTS := 0
export TOKENIZERS_PARALLELISM := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Waiting threads sleep: spinning ones make a step ten times slower when another program shares the cores.
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: help install run study test gpu check format space clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo
	@echo '  make run ARGS="--num-personas 20"        options of the main job (see: .venv/bin/crossmem run --help)'
	@echo '  make test PYTEST_ARGS="tests/personas"   options of pytest'
	@echo '  make install PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"   PyTorch without CUDA'

install: $(STAMP) ## Make .venv and install the package and its tools into it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Python {sys.version.split()[0]} found, 3.11 or newer expected. Name another one: make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 1; }

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; PyTorch is large)"
	@$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	@touch $@

run: $(STAMP) ## The main job: memorize, unlearn, measure; prints where the page is
	$(BIN)/crossmem run $(ARGS)

study: $(STAMP) ## What crosses from one modality to the other, in small; ARGS="--seeds 5" runs all of it
	$(BIN)/crossmem study cross_modal $(or $(ARGS),--quick)

test: export HF_HUB_OFFLINE := 1
test: $(STAMP) ## The fast tests, offline
	$(BIN)/python -m pytest $(PYTEST_ARGS)

gpu: $(STAMP) ## The benchmarks that need a GPU, in 8 minutes of an H100; ARGS="--device cpu --toy" shows that they run
	$(BIN)/python benchmarks/gpu.py $(ARGS)

check: $(STAMP) ## Lint, formatting, types and what may import what
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict crossmem_hf
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Not $(VENV): gradio wants an older pillow than the one our pictures are tested with.
$(SPACES_VENV)/.installed: metrics/truth_ratio/requirements.txt spaces/explorer/requirements.txt
	@$(PYTHON) -m venv $(SPACES_VENV)
	@$(SPACES_VENV)/bin/python -m pip install --quiet $(PIP_ARGS) "gradio>=6.31,<7" $(patsubst %,-r %,$^)
	@touch $@

space: $(SPACES_VENV)/.installed ## Serve a Space here: make space NAME=exposure (a folder of metrics/ or spaces/)
	@test -f "$(firstword $(wildcard metrics/$(NAME)/app.py spaces/$(NAME)/app.py))" || { echo "No Space '$(NAME)'; expected NAME= one of: $(notdir $(patsubst %/app.py,%,$(wildcard metrics/*/app.py spaces/*/app.py)))" >&2; exit 1; }
	$(SPACES_VENV)/bin/python $(firstword $(wildcard metrics/$(NAME)/app.py spaces/$(NAME)/app.py)) $(ARGS)

clean: ## Remove caches and build products; .venv and results stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
