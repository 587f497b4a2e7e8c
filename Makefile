# Each target does its own set-up: a virtual environment in .venv, from the locked and hashed requirements.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# uv takes seconds where pip takes minutes. pip stands in where only its configuration knows the package index.
LOCKED = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1) || $(INSTALL) --require-hashes -r $(1)
NEWEST := .venv/newest-litellm
PURELIB := import sysconfig; print(sysconfig.get_path("purelib"))
LAYER := import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))
THIS := $(INSTALL) --no-deps --no-build-isolation --editable .

# Groups begin in the order of tests/conftest.py, the longest first, and not by how many tests they have. There are more
# processes than cores: one more where tests compute, as the fast ones do, and three more where they wait for engines,
# kills and limits, as the slow ones do for two thirds of their time. A process that ends in a test ends the whole: near
# the end, pytest-xdist 3.8 gives one that takes its place nothing to do, and waits for it for ever.
PYTEST = $(BIN)/pytest --numprocesses $(shell expr $$(nproc) + $(1)) --max-worker-restart 0 --dist loadgroup \
	--no-loadscope-reorder

# What processes import is compiled once: the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-all collect test-newest-litellm test-images example-run check docs

demo: .venv/ready
	$(BIN)/codemonkeys demo

test: .venv/ready-to-test
	$(call PYTEST,1) -m 'not slow'

# Batches with faults and kills, every sandbox, real data: what needs Docker or data is skipped without it.
test-slow: .venv/ready-to-test
	$(call PYTEST,3) -m slow

# Both in one: what several tests share is made once, and no worker waits for the end of the first half.
test-all: .venv/ready-to-test
	$(call PYTEST,3) --durations 30

# Compiles the test modules as pytest has them: before the first tests in a clone, or each worker would.
collect: .venv/ready-to-test
	@said=$$($(BIN)/pytest --collect-only -q 2>&1) || { echo "$$said"; exit 1; }

# An installation without the lock takes the newest litellm: it and what it needs anew, in front of what is locked. The
# tests that can tell whether it has drifted.
test-newest-litellm: .venv/ready-to-test
	$(BIN)/python -m venv --clear --without-pip $(NEWEST)
	$(BIN)/python -c '$(LAYER)' >"$$($(NEWEST)/bin/python -c '$(PURELIB)')/locked.pth"
	$(INSTALL:install=--python $(NEWEST)/bin/python install) --upgrade litellm
	$(NEWEST)/bin/python -c 'from importlib.metadata import version; print("litellm", version("litellm"))'
	$(NEWEST)/bin/python -m pytest --numprocesses 2 -k 'not plain' \
		$(addprefix tests/models/test_,litellm_parts.py hosted.py retries.py host_program.py)

# The container images that slow tests run in: needs Docker and root.
test-images: .venv/ready-to-test
	$(BIN)/python -m tests.images

# The run that comes with the package, made anew: after a change of its tasks.
example-run: .venv/ready-to-test
	$(BIN)/python -m tests.example_run

check: .venv/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in site/. No page loads anything from elsewhere; a warning is an error.
docs: .venv/ready-to-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

# The stamps are older than the locks after a change of these, and the set-up is done again.
.venv/ready: $(BIN)/python requirements.lock requirements-build.lock pyproject.toml
	@echo "Setting up .venv; about a minute, only the first time."
	$(INSTALL) --require-hashes -r requirements-build.lock
	$(call LOCKED,requirements.lock)
	$(THIS)
	touch $@

.venv/ready-to-test: $(BIN)/python requirements-dev.lock requirements-build.lock pyproject.toml
	@echo "Setting up .venv with the development tools; about a minute, only the first time."
	$(INSTALL) --require-hashes -r requirements-build.lock
	$(call LOCKED,requirements-dev.lock)
	$(THIS)
	touch .venv/ready $@
