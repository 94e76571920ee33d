# `make test` sets up a virtual environment, once, and runs every check in it.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROWSER := $(VENV)/.browser

# Where the study's models and files go; EDGESEQ_DATA names the folder with the data sets.
STUDY ?= study-models

.PHONY: demo demo-models test thorough lint types unit nightly rule format docs fuzz peers study study-short check-wheel clean

# The main job end to end: train two models, export and verify them, stream and compare them without torch.
demo: $(STAMP)
	$(BIN)/edgeseq demo --train

# The models that `edgeseq demo` shows without torch, made anew in edgeseq/demo/trained.
demo-models: $(STAMP)
	$(BIN)/python -m edgeseq.demo.shipping

test: lint types unit

# What takes too long for every change: published models through ONNX, the longest of ours, more random networks.
thorough: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m thorough
	EDGESEQ_EXAMPLES=200 $(BIN)/pytest -n $(WORKERS) tests/test_laws.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP) $(BROWSER)
	EDGESEQ_BROWSER="$$(cat $(BROWSER))" $(BIN)/pytest -n $(WORKERS)

# All of the study again, hours: models, files, measurements, docs/study.md. What is there is gone on with.
study: $(STAMP)
	$(BIN)/python -m benchmarks.study train --out $(STUDY)
	$(BIN)/python -m benchmarks.study train --out $(STUDY) --ladder
	$(BIN)/python -m benchmarks.study appendix --share 5 --out $(STUDY)
	$(BIN)/python -m benchmarks.study export --out $(STUDY)
	$(BIN)/python -m benchmarks.study measure --out $(STUDY) --quality
	$(BIN)/python -m benchmarks.study measure --out $(STUDY)
	$(BIN)/python -m benchmarks.study page

# Its main question in less than twenty minutes: five kinds on two tasks, a fifth of the training, fewer processes. The
# page is $(STUDY)/short/study.md.
SHORT := $(STUDY)/short
study-short: $(STAMP)
	$(BIN)/python -m benchmarks.study train --out $(SHORT) --share 0.2 --task ecg --task speech \
		--kind rnn --kind lstm --kind gru --kind transformer --kind sliding
	$(BIN)/python -m benchmarks.study export --out $(SHORT)
	$(BIN)/python -m benchmarks.study measure --out $(SHORT) --results $(SHORT)/results --runs 3 --steps 200 \
		--only position --only quantized --only streams
	$(BIN)/python -m benchmarks.study page --results $(SHORT)/results --docs $(SHORT)

# What takes too long for every change: a hundred million steps of one stream, which neither drift nor grow.
nightly: $(STAMP)
	EDGESEQ_STEPS=100000000 $(BIN)/pytest tests/runtime/test_steady.py -k million

# The rows of one streaming rule: make rule OP=aten.conv1d
rule: $(STAMP)
	@$(BIN)/python -m tests.rules $(OP)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Everything in docs/ that is made from code, and the golden contracts.
docs: $(STAMP)
	$(BIN)/python -m edgeseq.cli.document docs/cli.md
	$(BIN)/python -m edgeseq.exporters.rules.document docs/ops.md
	$(BIN)/python -m tests.published docs/models.md
	$(BIN)/python -m tests.golden.make

# Files changed at random, to see that nothing but an EdgeseqError comes of them. SEED=7 repeats a run; OUT gets the files
# that show a bug. RENEWED of them have another graph under a digest of its own: what onnxruntime makes of these is counted.
N ?= 100000
RENEWED ?= 20000
OUT ?= fuzz-failures
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(N) --renewed $(RENEWED) --out $(OUT) $(if $(SEED),--seed $(SEED))

# Other engines on the same weights, each in a virtual environment of its own under .venv-peers: docs/peers.md. An hour.
# PEERS='--runs 2 --steps 200 --paced ""' makes it shorter.
peers: $(STAMP)
	$(BIN)/python -m benchmarks.peers all $(PEERS)

# The wheel, installed with [cpu] alone into a fresh environment, runs an exported model.
check-wheel: $(STAMP)
	$(BIN)/python -m tests.check_wheel

# Made again when what it installs changes; the stamp is written last, so that a broken set-up is not taken for done.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[cpu,export,bench,dev]'
	touch $@

# Where the browser is that shows the page of a report; EDGESEQ_BROWSER=none leaves its tests out, required fails without.
$(BROWSER): $(STAMP) tests/lab/report/install.sh
	tests/lab/report/install.sh > $@.new
	mv $@.new $@

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
