# Parcela's few commands. `make help` lists them.

# The Python that makes the environment: the first of these that is 3.11, 3.12 or 3.13.
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
endif

# Where PyTorch comes from: the URL of a wheel index, or a folder of wheels; empty is pip's own index.
TORCH_INDEX ?=

BIN := .venv/bin
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
READY := .venv/.ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check
FROM := $(if $(TORCH_INDEX),$(if $(findstring ://,$(TORCH_INDEX)),--index-url,--no-index --find-links) '$(TORCH_INDEX)')

# One list for all systems and Pythons. Wheels alone: a source archive would run a build that no hash covers.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--only-binary :all: --emit-build-options --no-emit-package torch --constraint lock/torch.txt \
	--custom-compile-command 'make lock' $(UPGRADE)
COMPILE_PART = $(COMPILE) --constraint lock/dev.txt

SBOM_OPTIONS = --pyproject pyproject.toml --mc-type application --output-reproducible

define NOTE
Setting up .venv/ with $(or $(PYTHON),no Python found). This happens once; it needs about 2 GB of disk, and downloads:
  * PyTorch from $(or $(TORCH_INDEX),pip's own index)
  * Parcela's other libraries, about 0.3 GB, from pip's own index

On Linux, pip's own index serves PyTorch with CUDA: several gigabytes more. Without an NVIDIA card, stop here (Ctrl-C) and take
the CPU build, about 0.2 GB (on macOS pip's own is the right one):
  make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX may also be a folder that holds the wheel.

endef
export NOTE

.PHONY: help setup demo serve test test-all chaos check format web dist images pin-images docs lock sbom bench
.DEFAULT_GOAL := help

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make .venv/ with everything (TORCH_INDEX chooses PyTorch's build, PYTHON the interpreter)

demo: setup  ## parcellate Colin27's whole head and compare with AAL's own labels
	$(BIN)/parcela demo

serve: setup  ## run the service here, without Docker: http://127.0.0.1:8000
	$(BIN)/parcela serve

test: setup  ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow" --durations=10

test-all: setup  ## every test, the slow ones too (minutes)
	$(BIN)/python -m pytest

chaos: setup  ## kill workers and Redis at random, and check that no job is lost (CHAOS="--jobs 100 --faults 200")
	cd tests && ../$(BIN)/python -m chaos run $(CHAOS)

check: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## put the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

web:  ## build the page from web/ (needs Node 20 or later; who changes nothing there needs neither)
	cd web && npm ci --ignore-scripts && npm run check && npm run build

dist: docs  ## the source archive, and the wheel built from it, with the guide, in dist/ (docs/release.md)
	rm -rf dist
	$(BIN)/python -m hatchling build --target sdist
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist dist/parcela-*.tar.gz

images: docs  ## the images, with the guide, labelled with the version, the commit and SOURCE (docs/release.md)
	PARCELA_VERSION=$(VERSION) PARCELA_SOURCE='$(SOURCE)' \
	PARCELA_REVISION=$$(git describe --always --abbrev=40 --dirty --exclude '*') docker compose --profile training build

pin-images:  ## the images that are not ours by digest, in .env, for docker compose (docs/deploy.md)
	deploy/pin-images

docs: setup  ## build the documentation as a site, which `parcela serve` then has at /docs/guide
	cd docs && ../$(BIN)/python -m parcela_docs

lock: setup  ## make lock/ again: every library's version and hashes (UPGRADE=--upgrade takes the newest)
	$(COMPILE) --output-file lock/dev.txt --extra dev pyproject.toml
	$(COMPILE_PART) --output-file lock/all.txt --extra all pyproject.toml
	$(COMPILE_PART) --output-file lock/training.txt --extra experiment pyproject.toml
	echo hatchling | $(COMPILE_PART) --output-file lock/build.txt -
	for part in gateway preprocess inference labelling; do \
		$(COMPILE_PART) --output-file lock/$$part.txt services/$$part/requirements.txt || exit; done

sbom: setup  ## what is installed here, in each image and in the page, as CycloneDX in dist/sbom (docs/release.md)
	mkdir -p dist/sbom
	$(BIN)/cyclonedx-py environment $(SBOM_OPTIONS) --output-file dist/sbom/environment.cdx.json
	for part in gateway labelling; do $(BIN)/cyclonedx-py requirements $(SBOM_OPTIONS) --output-file dist/sbom/$$part.cdx.json lock/$$part.txt || exit; done
	for part in preprocess inference training; do \
		cat lock/$$part.txt lock/torch.txt | $(BIN)/cyclonedx-py requirements $(SBOM_OPTIONS) --output-file dist/sbom/$$part.cdx.json - || exit; done
	copy=$$(mktemp -d) && trap "rm -r $$copy" EXIT && cp web/package.json web/package-lock.json $$copy && cd $$copy && npm pkg set version=$(VERSION) \
		&& npm sbom --sbom-format cyclonedx --package-lock-only --omit dev > $(CURDIR)/dist/sbom/page.cdx.json

bench: setup  ## measure speed and memory beside MONAI's own (an hour), and the ways back to the scan's grid
	$(BIN)/python benchmarks/speed_preprocessing.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/round_trip.py

$(READY): pyproject.toml $(wildcard lock/*.txt)
	@echo "$$NOTE"
	@test -n "$(PYTHON)" || { echo "Parcela needs Python 3.11, 3.12 or 3.13; name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --no-deps --require-hashes --requirement lock/dev.txt
	$(PIP) $(FROM) --requirement lock/torch.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
