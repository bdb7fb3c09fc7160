# Paths are relative on purpose: make cannot quote, and a checkout may lie in a directory with spaces.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SHELLFLAGS := -ec
MAKEFLAGS += --no-print-directory

# Imports without bytecode take three times as long.
unexport PYTHONDONTWRITEBYTECODE

# The environment's own interpreter answers "nothing to do" fastest; tools/setup.py leaves it when it must rebuild.
PYTHON := $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
SETUP := @$(PYTHON) tools/setup.py

.PHONY: help setup dev run story test test-long bench-reads bench-faults bench-boards bench-chat bench-faults-chat bench-fanout bench-ranking eval check format schema migrate clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

setup: ## Install everything pinned into .venv; instant when nothing changed
	$(SETUP)

dev: ## The same, with the tools for tests and checks
	$(SETUP) --dev

run: setup ## Start the server with an embedded PostgreSQL; Ctrl-C stops both
	@exec .venv/bin/python app.py run

story: setup ## Play the typical workflow, from gig to feedback, against the running server
	@exec .venv/bin/python tools/story.py

test: dev ## Run the tests (some four minutes)
	@.venv/bin/python -m pytest -n 3 --dist worksteal -q -m "not long"

test-long: dev ## Run every test, the slow ones too
	@.venv/bin/python tools/ferretdb.py >/dev/null || true
	@LONG=1 .venv/bin/python -m pytest -n 2 --dist worksteal -q

bench-reads: setup ## Measure our server against Node's on the same tables (15 minutes)
	@.venv/bin/python -m bench.reads

bench-faults: dev ## Kill and stop what streams stand on, and count what is lost (5 minutes)
	@.venv/bin/python -m bench.faults

bench-faults-chat: dev ## The same over rooms of chat, in PostgreSQL and in MongoDB's stand-in (15 minutes)
	@.venv/bin/python -m bench.faults --chat sql
	@.venv/bin/python tools/ferretdb.py >/dev/null
	@.venv/bin/python -m bench.faults --chat mongo

bench-chat: dev ## Measure long rooms, searches and 2,000 people online in one room (15 minutes)
	@.venv/bin/python -m bench.chat

bench-boards: dev ## Let twenty people move tasks on one board, and time a board of 2,000 (10 minutes)
	@.venv/bin/python -m bench.boards

bench-fanout: setup ## Measure how fast an event reaches subscribers, against Node's servers (12 minutes)
	@.venv/bin/python -m bench.fanout

eval: dev ## Answer the labelled tasks by $$EVAL, a runner, beside the figures recorded last
	@.venv/bin/python -m bench.ranking.evaluating

bench-ranking: dev ## Measure ranking among 100,000 and 1,000,000 candidates on one core (10 minutes)
	@.venv/bin/python -m bench.ranking

check: dev ## Run everything but the tests: format, lint, types, layers, architecture
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest tests/architecture -q

format: dev ## Format the code and apply the safe fixes
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

schema: setup ## Write schema/schema.graphql from the code
	@.venv/bin/python app.py export-schema > .local/schema.graphql
	@mv .local/schema.graphql schema/schema.graphql

migrate: setup ## Bring the database to the newest revision
	@.venv/bin/python app.py migrate

clean: ## Remove what can be made again; data and installed packages stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
