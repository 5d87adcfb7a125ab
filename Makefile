# make install      builds .venv: then source .venv/bin/activate, or .venv/bin/reppo
# make quickstart   trains REPPO and three ablations on two tasks
# make test         runs the tests
# make test-browser   tests the report page and the documentation in Chromium (Debian: apt-get install chromium)
# make test-slurm   tests jobs on a SLURM of its own, as root (Debian: apt-get install slurm-wlm munge)
# make docs         builds the documentation into site/
# make picture      runs the quickstart anew and draws the picture of its report; needs Chromium
# make lint         checks style and types
# make gpu-check    finds out what works on this GPU; REHEARSAL=1: tiny sizes on the CPU
# make benchmark    PPO here against rejax and Brax; PEERS=..., SEEDS="1 4", ROUNDS=5
#                   ALGORITHM=sac: SAC here against Stable-Baselines3
# For a GPU: make quickstart EXTRAS=cuda12
# For another Python: make test PYTHON=python3.12 builds .venv anew where it has another version
# Without network: make gpu-check WHEELS=folder, beside the packages that PYTHON has; see docs/gpu.md

PYTHON ?= $(firstword $(if $(WHEELS),,$(wildcard .venv/bin/python)) python3)
EXTRAS ?=
OUT ?= results/gpu-check
BUDGET ?= 480
comma := ,
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
STARTED := $(shell date +%s)
CHECK := -m reppo.gpu_check --out $(OUT) --budget-seconds $(BUDGET) --started $(STARTED) $(if $(REHEARSAL),--rehearsal) $(if $(ONLY),--only $(ONLY))
version = $(shell $(1) -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)

.PHONY: install quickstart test test-slow test-browser test-slurm docs picture lint gpu-check benchmark clean another-version

install: .venv/.installed

quickstart: .venv/.installed
	$(BIN)/reppo run experiments/quickstart.py

test: .venv/.dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m slow -n auto --maxprocesses 4 --dist worksteal --durations=0

test-browser: .venv/.dev
	$(BIN)/python -m pytest -m browser

test-slurm: .venv/.dev
	$(BIN)/python -m pytest -m slurm -rs

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

picture: .venv/.installed
	rm -rf results/picture
	$(BIN)/reppo run experiments/quickstart.py --out results/picture
	$(BIN)/python docs/figures/report_picture.py results/picture/quickstart

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

ifdef WHEELS
gpu-check: .gpu-packages/.installed
	PYTHONPATH=$(CURDIR):$(CURDIR)/.gpu-packages $(PYTHON) $(CHECK)
else
gpu-check: .venv/.installed
	$(BIN)/python $(CHECK)
endif

benchmark: .venv/.installed
	$(BIN)/python -m reppo.benchmark $(ALGORITHM) $(if $(PEERS),--peers $(PEERS)) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(ROUNDS),--rounds $(ROUNDS))

.venv/pyvenv.cfg: $(if $(filter $(call version,$(PYTHON)),$(call version,$(BIN)/python)),,another-version)
	$(PYTHON) -m venv --clear .venv

.venv/.installed: pyproject.toml constraints.txt .venv/pyvenv.cfg
	$(INSTALL) --editable .$(if $(EXTRAS),[$(EXTRAS)])
	touch $@

.venv/.dev: pyproject.toml constraints.txt .venv/pyvenv.cfg
	$(INSTALL) --editable .[dev$(if $(EXTRAS),$(comma)$(EXTRAS))]
	touch $@ .venv/.installed

.venv/.docs: pyproject.toml constraints.txt .venv/pyvenv.cfg
	$(INSTALL) --editable .[docs]
	touch $@ .venv/.installed

# The wheels of a folder and this library, beside what PYTHON has: nothing else is installed, and nothing is fetched.
.gpu-packages/.installed: pyproject.toml $(wildcard $(WHEELS)/*.whl)
	$(PYTHON) -m pip install --quiet --no-index --find-links $(WHEELS) --no-deps --no-compile --upgrade \
		--target .gpu-packages $(WHEELS)/*.whl .
	touch $@

clean:
	rm -rf .venv .gpu-packages site
