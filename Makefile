# Every task of this project is one target. `make` alone lists the targets.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Pass the interpreter only if the caller chose it: the script may replace a found interpreter that is too old.
CHECK_SYSTEM := tools/check_system.sh $(if $(filter file,$(origin PYTHON)),,$(PYTHON))
VENV ?= .venv
BIN := $(VENV)/bin
INTEROP ?= .venv-interop
TABLES ?= .venv-tables
FLAML ?= .venv-flaml
WORKSPACE ?= $(CURDIR)/workspace
# Tests at a time: more than a small machine has processors, since many tests wait for terminals and other processes.
JOBS ?= 3
# Each numeric library starts one thread per core, but our threads across models already use the cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Where it is set, each of the thousands of processes that the tests start compiles all modules anew, half of its time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test proof coverage check format bench screens recording golden bare truth crash fuzz powercut chaos busy soak interop tables wheel release service image imagetest manifests licences audit docs clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The stamp depends on the pins, so that a pull with new pins installs them.
$(VENV)/.base: pyproject.toml constraints.txt
	@$(CHECK_SYSTEM)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m pip install --quiet --user virtualenv && $(PYTHON) -m virtualenv --quiet $(VENV); }
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	@$(CHECK_SYSTEM) --strict git tmux
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[dev]'
	@touch $@

install: $(VENV)/.base ## Install bondx into .venv

run: $(VENV)/.base ## Train and open the console (headless without a terminal); workspace in ./workspace
	@$(BIN)/bondx --workspace "$(WORKSPACE)" run $(if $(filter file,$(origin WORKSPACE)),--create) $(ARGS)

test: $(VENV)/.dev ## Run the tests of every change: all but long journeys, simulations and kills
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not (journey or truth or crash)" $(ARGS)

proof: $(VENV)/.dev ## Run every test, as before a release
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --examples 100 $(ARGS)

coverage: $(VENV)/.dev ## Run every test, print which lines none runs, in child processes either, and hold 95 % (ARGS=… LEAST=0: some tests)
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)
	@$(BIN)/coverage combine -q && $(BIN)/coverage report --fail-under $(or $(LEAST),95)

check: $(VENV)/.dev ## Check lint, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/.dev ## Run every benchmark; ratios compare figures of one run
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

screens: $(VENV)/.dev ## Write screenshots of every screen at three sizes into ./screens
	@$(BIN)/python -m tools.screenshots screens

recording: $(VENV)/.dev ## Record the console in a terminal for a minute into ./console.cast (asciicast)
	@$(BIN)/python -m tools.recording console.cast $(ARGS)

bare: ## Run the README's two commands in a bare Debian root (as root)
	@tools/bare.sh $(ARGS)

golden: $(VENV)/.dev ## Update the golden screens; read the diff before you commit
	@GOLDEN=update $(BIN)/python -m pytest -q -n 0 tests/console/test_golden_screens.py

# The long forms have no time limit: only here a long test is not mistaken for a hang.
LONG := --long -n 0 --timeout 0 -o faulthandler_timeout=0

truth: $(VENV)/.dev ## Check the statistics' guarantees with long simulations, and print the figures
	@$(BIN)/python -m pytest -q $(LONG) -m truth $(ARGS)

crash: $(VENV)/.dev ## Kill writers ten thousand times and engines fifty times, and check that nothing is lost
	@$(BIN)/python -m pytest -q $(LONG) -m crash $(ARGS)

fuzz: $(VENV)/.dev ## Feed every parser of files, expressions and requests N damaged inputs (N=2000): read or refused, nothing else
	@$(BIN)/python -m pytest -q $(LONG) -m fuzz --examples "$(or $(N),2000)" $(ARGS)

powercut: $(VENV)/.dev ## Cut the power of a virtual machine N times (N=10), and check that no acknowledged change is lost
	@$(BIN)/python tests/crash/power_cuts.py --cuts "$(or $(N),10)" $(ARGS)

chaos: $(VENV)/.dev ## Kill, fill, slow and cut off engine, server and writers in N rounds (N=50): nothing acknowledged is lost
	@$(BIN)/python -m tests.crash.chaos --rounds "$(or $(N),50)" $(ARGS)

soak: $(VENV)/.dev ## Run everything at once with kills for ten minutes (MINUTES=… or HOURS=…): nothing lost, every curve judged, soak.svg
	@$(BIN)/python benchmarks/soak.py $(if $(HOURS),--hours "$(HOURS)",--minutes "$(or $(MINUTES),10)") --picture soak.svg $(ARGS)

busy: $(VENV)/.dev ## Run every test five times (N=…) beside four busy loops and a loop of fsync
	@tools/busy_suite.sh "$(or $(N),5)" $(ARGS)

# Environments of their own: the requirements of TensorFlow and of KServe conflict with those of MLServer and MLflow, and the
# tests of the extras xgboost and text, and those against the shap package, run with our own pins.
$(INTEROP)/.ready: $(wildcard interop/requirements-*.txt) pyproject.toml $(VENV)/.dev
	@echo "installing MLServer, MLflow, KServe, TensorFlow, NannyML, XGBoost and torch into $(INTEROP) (some minutes and gigabytes)"
	@for name in peers kserve tensorflow nannyml networks signing backups; do \
		test -x $(INTEROP)/$$name/bin/python || $(BIN)/python -m venv $(INTEROP)/$$name || exit 1; \
		$(INTEROP)/$$name/bin/python -m pip install --quiet --disable-pip-version-check -r interop/requirements-$$name.txt || exit 1; \
	done
	@for name in peers networks backups; do \
		$(INTEROP)/$$name/bin/python -m pip install --quiet --disable-pip-version-check -e . || exit 1; \
	done
	@test -x $(INTEROP)/xgboost/bin/python || $(BIN)/python -m venv $(INTEROP)/xgboost
	@$(INTEROP)/xgboost/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,xgboost]' shap==0.51.0
	@test -x $(INTEROP)/text/bin/python || $(BIN)/python -m venv $(INTEROP)/text
	@$(INTEROP)/text/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,text]'
	@touch $@

XGBOOST_TESTS := $(addprefix tests/core/,training/test_xgboost_sessions.py models/test_learners.py models/test_continued_learning.py \
	explain/test_explainer.py explain/test_shap_package.py interop/test_onnx.py)

TEXT_TESTS := tests/core/text core/text

NETWORK_TESTS := $(addprefix tests/core/,explain/test_networks.py explain/test_prediction_function.py interop/test_saved_model.py)

PROMETHEUS_TESTS := $(addprefix tests/core/serving/,test_prometheus.py test_metric_catalogue.py)

interop: $(INTEROP)/.ready ## Test interoperability with MLServer, Triton's and KServe's clients, TensorFlow, TensorFlow Serving, MLflow, NannyML, model-signing, CycloneDX, S3, Prometheus, XGBoost, shap and torch
	@$(INTEROP)/xgboost/bin/python -m pytest -q -n 0 -p no:cacheprovider $(XGBOOST_TESTS)
	@$(INTEROP)/text/bin/python -m pytest -q -n 0 -p no:cacheprovider $(TEXT_TESTS)
	@$(INTEROP)/networks/bin/python -m pytest -q -rs -W ignore -p no:cacheprovider $(NETWORK_TESTS)
	@$(BIN)/python -m pytest -q -rs -n 0 $(PROMETHEUS_TESTS)
	@$(INTEROP)/peers/bin/python -m pytest -q -W ignore -p no:cacheprovider tests/core/interop/test_mlflow.py
	@$(BIN)/python interop/prove.py --peers $(INTEROP)/peers/bin/python --tensorflow $(INTEROP)/tensorflow/bin/python \
		--kserve $(INTEROP)/kserve/bin/python
	@$(BIN)/python interop/estimates.py --nannyml $(INTEROP)/nannyml/bin/python
	@$(BIN)/python interop/model_signatures.py --model-signing $(INTEROP)/signing/bin/python
	@$(BIN)/python interop/bills.py
	@$(INTEROP)/backups/bin/python interop/backup_targets.py

# Where the environment of the services is, and below which folder they are installed (for packages: DESTDIR=…).
PREFIX ?= /opt/bondx
UNITS := $(wildcard deploy/systemd/*.service deploy/systemd/*.socket)

service: ## Install the systemd units (as root) for the environment in PREFIX (/opt/bondx)
	@install -d "$(DESTDIR)/etc/systemd/system" "$(DESTDIR)/etc/sysusers.d" "$(DESTDIR)/usr/local/bin"
	@for unit in $(UNITS); do \
		sed 's#/opt/bondx/bin#$(PREFIX)/bin#' "$$unit" > "$(DESTDIR)/etc/systemd/system/$${unit##*/}" || exit 1; \
		chmod 644 "$(DESTDIR)/etc/systemd/system/$${unit##*/}"; \
	done
	@install -m 644 deploy/systemd/bondx.conf "$(DESTDIR)/etc/sysusers.d/bondx.conf"
	@install -m 755 deploy/systemd/bondx-tmux "$(DESTDIR)/usr/local/bin/bondx-tmux"
	@echo "installed; next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now bondx-engine bondx-server"

image: ## Build the image with podman, buildah or docker (ARGS='--build-arg BASE_IMAGE=…' or ARGS=--debian)
	@tools/image.sh $(ARGS)

imagetest: image $(VENV)/.dev ## Build the image, and run engine, server and console in it (with podman or docker)
	@BONDX_IMAGE="bondx-console:$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)" \
		$(BIN)/python -m pytest -q -rs -n 0 -p no:cacheprovider tests/packaging/test_image.py

manifests: $(VENV)/.dev ## Check the manifests of Kubernetes and compose: schemas of three versions, rendered overlays, rights, ports, images
	@$(BIN)/python -m pytest -q -rs -n 0 tests/packaging/test_kubernetes.py tests/packaging/test_compose.py

wheel: $(VENV)/.dev ## Build the wheel into ./dist
	@$(BIN)/python -m build --wheel --no-isolation

licences: $(VENV)/.dev ## List the licences of all dependencies; fail if one is not permitted (ARGS='--extra text')
	@$(BIN)/python -m tools.licences $(ARGS)

audit: $(VENV)/.dev ## Look for known vulnerabilities in the pinned versions: make audit ADVISORIES=all.zip (OSV; nothing is downloaded)
	@$(BIN)/python -m tools.audit --advisories "$(ADVISORIES)" $(ARGS)

docs: $(VENV)/.dev ## Build the documentation as a site into build/site; fail at a link that leads nowhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

release: $(VENV)/.dev ## Check a release and build it into ./dist: make release VERSION=0.2.0
	@$(BIN)/python -m tools.release "$(VERSION)"

# Only files are read from these packages, so they need no environment and no dependencies.
$(TABLES)/.ready: benchmarks/requirements-tables.txt $(VENV)/.base
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(TABLES) -r benchmarks/requirements-tables.txt
	@touch $@

$(FLAML)/.ready: benchmarks/requirements-flaml.txt $(VENV)/.base
	@test -x $(FLAML)/bin/python || $(BIN)/python -m venv $(FLAML)
	@$(FLAML)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements-flaml.txt
	@touch $@

tables: $(TABLES)/.ready $(FLAML)/.ready $(VENV)/.dev ## Compare models of users' own tables with peers on public data sets
	@$(BIN)/python benchmarks/bench_tables.py --data $(TABLES) --flaml $(FLAML)/bin/python $(ARGS)

clean: ## Remove the environments and everything built, but keep the workspace
	rm -rf $(VENV) $(INTEROP) $(TABLES) $(FLAML) .coverage.d dist build screens .pytest_cache .mypy_cache .ruff_cache .import_linter_cache console.cast
