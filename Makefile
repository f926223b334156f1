# `make app` opens the studio, `make test` tests it.
# Each first makes what it needs: an environment in .venv, and nothing outside it.

# Tried in this order; PYTHON=/path/to/python settles it.
PYTHON = python3 python3.13 python3.12 python3.11 python3.10 python
# Handed on, as in: make test ARGS="-k vae".
ARGS =

app: setup
	.venv/bin/python app.py $(ARGS)

# Two processes share the tests file by file. Slow ones are left to .ci/run; a later -m takes the place of this one.
test: setup .venv/requirements-dev.txt
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" $(ARGS)

# Jobs at length: seven, each killed at three random moments, and 64 visitors for three minutes.
slow: setup .venv/requirements-dev.txt
	GENSTUDIO_SLOW=1 .venv/bin/python -m pytest tests/training/test_jobs_trained.py tests/ui/test_visitors.py -m slow -s $(ARGS)

bench: setup .venv/requirements-dev.txt
	.venv/bin/python -m tests.bench.engine $(ARGS)
	.venv/bin/python -m tests.bench.diffusion
	.venv/bin/python -m tests.bench.imports
	.venv/bin/python -m tests.bench.page
	.venv/bin/python -m tests.bench.renderer
	.venv/bin/python -m tests.bench.lab
	.venv/bin/python -m tests.bench.flows
	.venv/bin/python -m tests.bench.tokens

# What a Hugging Face Space needs, in build/space, and a trial of it: minutes, and 3 GB to download.
space: setup
	.venv/bin/python -m genstudio space --check $(ARGS)

# Trains SYSTEMS in order on the graphics card at hand, for MINUTES in all, and leaves each run in OUT in parts of at most
# 15 MB. lease/ holds the data (lease/data/) and the runs that go on (lease/runs/), and travels with the checkout. Nothing is
# installed: a machine that is lent has its own PyTorch.
SYSTEMS = stylegan2_faces
MINUTES = 9
OUT ?= lease/out
lease:
	python3 -m genstudio lease $(SYSTEMS) --minutes $(MINUTES) --out $(OUT) $(ARGS)

lint: setup .venv/requirements-dev.txt
	.venv/bin/python -m ruff check $(ARGS)

setup: .venv/requirements.txt

# The copy in .venv says what is installed: while it is newer than the original, pip is not even started.
.venv/%.txt: %.txt .venv/bin/python
	@echo 'Installing $<. On Linux the first time downloads 3 GB, most of it CUDA for PyTorch.'
	.venv/bin/python -m pip install -r $<
	@cp $< $@
.venv/requirements-dev.txt: .venv/requirements.txt

# Runs when it is missing, or a link to a Python that has been removed since.
# Debian's python3 lacks ensurepip, without which venv fails half-way: so that is asked first.
.venv/bin/python:
	@for python in $(PYTHON); do \
	  $$python -c 'import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
	  && exec $$python -m venv --clear .venv; \
	done; \
	echo 'GenStudio needs Python 3.10 to 3.13 with venv (Debian, Ubuntu: apt install python3-venv),' \
	  'and none of these is: $(PYTHON).' >&2; \
	exit 1

# An environment that could not be finished is begun again.
.DELETE_ON_ERROR:
.PHONY: app test slow bench space lease lint setup
