# Two commands do everything on a fresh Debian machine: `make run` and `make test`.
# `make lint` checks style and types, `make lock` pins the dependencies anew.
SHELL := /bin/bash
# Each process would compile the whole program anew where an environment forbids to keep what was compiled. Of the
# packages for tests, most is never used: what is used is compiled then.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_DIR ?= .run
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What the tests use of Debian: a real SIP peer, a browser, sound tools, a second RTP recorder for the benchmark.
DEBIAN := sip-tester sox ffmpeg chromium
# Tests write to memory where there is room: a third of their time was the disk's fsync. What is killed there is still there.
SCRATCH := $(shell [ "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 4000000 ] 2>/dev/null && echo /dev/shm)

.PHONY: run test lint lock debian clean

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "apt-get install python3-venv"; exit 1; }
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps -e .
	touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(PIP) --no-compile --require-hashes -r requirements/dev.txt
	touch $@

run: $(VENV)/run.stamp
	@$(BIN)/python tools/demo.py $(RUN_DIR)

debian:
	@missing=$$(for p in $(DEBIAN); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  sudo=$$( [ $$(id -u) = 0 ] || echo sudo ); \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $$missing >/dev/null; \
	fi

# Tests with real time in them may fail on a machine that stalls. A few that failed beside the others are run once more,
# alone: what fails then has failed. Both results are shown.
PYTEST = $(if $(SCRATCH),PYTEST_DEBUG_TEMPROOT=$(SCRATCH)) $(BIN)/pytest -q -m "not soak"
MAY_FAIL_ONCE := 5
FAILED = $(BIN)/python -c 'import json; print(len(json.load(open(".pytest_cache/v/cache/lastfailed"))))'

test: debian $(VENV)/dev.stamp
	@rm -rf .pytest_cache
	$(PYTEST) -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS) || \
	  { [ $$? = 1 ] && [ $$($(FAILED)) -le $(MAY_FAIL_ONCE) ] && echo "These once more, alone:" && $(PYTEST) -v --last-failed; }

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(VENV)/dev.stamp
	$(PIP) pip-tools
	cd requirements && for f in run dev; do \
	  ../$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --strip-extras --allow-unsafe -o $$f.txt $$f.in; done

clean:
	rm -rf $(VENV) $(RUN_DIR) .mypy_cache .ruff_cache .pytest_cache .hypothesis
