# Each target is one line that calls a program. The first use of a target installs what it needs into .venv.
SHELL := /bin/bash
BIN := .venv/bin
SOURCES := helpers/pyproject.toml autograder/pyproject.toml constraints.txt tools/install.sh
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test lab check build ladder model bench bench-train site clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: .venv/installed ## install, build the course, grade a made-up class, print the gradebook
	@course demo --dir build/demo

test: .venv/installed-test ## install and run everything: release gate, variants, mutants, all tests
	@tools/test.sh

lab: .venv/installed ## open JupyterLab on notebooks/
	@jupyter lab --notebook-dir=notebooks

check: .venv/installed-test ## the developer's quick one: lint, format, types, quick tests, gate of what changed
	@tools/check.sh

build: .venv/installed ## make notebooks/ from solutions/
	@course build

ladder: .venv/installed ## run the notebooks that put models on the ladder, and write docs/results.md
	@course ladder

model: .venv/installed-test ## train the course's own language model from nothing (two hours), or go on with it
	@python -m recipes.course_lm everything

bench: .venv/installed-bench ## measure everything beside the best of its kind, and write docs/benchmarks.md (hours)
	@python -m recipes.bench

bench-train: .venv/installed ## of that, the training beside nanoGPT's recipe alone (half an hour)
	@python -m recipes.bench training

site: .venv/installed-test ## build the web site from docs/ and the solved notebooks, in build/site
	@course site build/site

clean: ## remove .venv and build/
	@rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: $(SOURCES)
	@tools/install.sh && touch $@

.venv/installed-test: $(SOURCES)
	@tools/install.sh test && touch .venv/installed $@

.venv/installed-bench: $(SOURCES)
	@tools/install.sh bench && touch .venv/installed $@
