# Every target sets up what it needs: a virtual environment with the versions of constraints.txt.
# On Linux, PyPI's torch brings CUDA libraries (gigabytes). Without a CUDA device you may want the
# CPU build: point pip at PyTorch's CPU index in your own pip configuration before the first run.

PYTHON ?= python3
VENV := .venv
PY := $(CURDIR)/$(VENV)/bin/python
STAMP := $(VENV)/.installed
TREE := .mypy_cache/tree

# One thread a process: spinning OpenMP threads slow each other down many times over on a busy CPU.
export OMP_WAIT_POLICY ?= passive
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test test-slow test-ray test-optional lint docs bench clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## train hard attention and its controls on digits, compare them, write runs/demo/report.html
	@$(PY) -m hardattn.experiments demo

test: $(STAMP) ## run the fast tests
	@$(PY) -m pytest -n 2 --dist loadfile

test-slow: $(STAMP) ## run the tests marked slow or gpu
	@$(PY) -m pytest -m "slow or gpu"

test-ray: $(STAMP) ## run the tests of sweeps on a Ray cluster, of two nodes on this machine
	@$(PY) -m pip install -q -c constraints.txt -e '.[ray]'
	@$(PY) -m pytest -m "slow or not slow" tests/experiments/sweeps/test_on_ray.py

test-optional: $(STAMP) ## run the tests of trackers and of Hugging Face datasets
	@$(PY) -m pip install -q -c constraints.txt -e '.[hub,wandb,mlflow]'
	@$(PY) -m pytest tests/hardattn/training/test_tracking.py tests/hardattn/data/test_datasets_hub.py tests/hardattn/data/test_own.py

# mypy cannot map a folder to another module name, so it is shown the tree as it is installed.
lint: $(STAMP) ## ruff check, ruff format --check, mypy
	@rm -rf $(TREE) && mkdir -p $(TREE)/hardattn
	@ln -s $(CURDIR)/hardattn/* $(CURDIR)/envs $(CURDIR)/agents $(CURDIR)/experiments $(TREE)/hardattn/
	@status=0; \
	$(PY) -m ruff check || status=1; \
	$(PY) -m ruff format --check || status=1; \
	(cd $(TREE) && $(PY) -m mypy --config-file $(CURDIR)/pyproject.toml --cache-dir .. \
		-p hardattn) || status=1; \
	exit $$status

# A link that leads nowhere is a fault; so is a docstring that is no plain markup.
docs: $(STAMP) ## build the documentation into docs/_build/html
	@$(PY) -m sphinx --fail-on-warning --keep-going --quiet -j auto -d docs/_build/doctrees docs docs/_build/html
	@echo docs/_build/html/index.html

bench: $(STAMP) ## measure throughput
	@$(PY) -m hardattn.experiments bench training

clean: ## remove build outputs and caches; .venv and runs stay
	rm -rf build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an install that fails or is interrupted leaves none newer than its inputs.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -c constraints.txt -e '.[dev,docs]'
	@touch $@
