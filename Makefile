# Two commands do everything on a fresh machine: `make up` and `make test`. See README.md.
SHELL := /bin/bash
PYTHON := .venv/bin/python
ENV := eval "$$(tools/env)"

# What Python compiles is kept: else each command compiles all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## install what is needed on this machine (make up and make test do it by themselves)
	@tools/setup.sh

images: setup ## build the container images and push them to the local registry
	@$(ENV); $(PYTHON) -m tools.images build && $(PYTHON) -m tools.images registry-up && $(PYTHON) -m tools.images push

up: setup ## the whole federation, ending with finished HTCondor jobs
	@$(ENV); $(PYTHON) -m aerie up --images --jobs 24

status: ## quorums, agents, BGP sessions, apps, pools and jobs on one screen
	@$(ENV); $(PYTHON) -m tools.status

rtt: setup ## round trips between containers of all sites, and a picture
	@$(ENV); $(PYTHON) -m tools.rtt

load: setup ## benchmark jobs for a pool (POOL=demo): stress on cpu, memory and disk; LOAD="--rate 60 ..." for more
	@$(ENV); $(PYTHON) -m tools.load $$POOL $$LOAD

down: ## remove all that `make up` made, and nothing else
	@$(ENV); $(PYTHON) -m aerie destroy --yes

lint: setup ## ruff and mypy
	@$(ENV); .venv/bin/ruff check . && .venv/bin/ruff format --check . && tools/typecheck

unit: setup ## fast tests: no Docker
	@$(ENV); $(PYTHON) -m pytest tests/unit images -n $$(($$(nproc) + 1)) --dist worksteal  # one more than cores: some wait

test: setup ## everything: lint, unit tests, and the live tests on a real federation
	@tools/test

preview: setup ## what a change would do: STACK="torino cnaf", or SINCE=origin/main, or all stacks
	@$(ENV); $(PYTHON) -m tools.preview --policy-pack policy $(addprefix -s ,$(STACK)) $${SINCE:+--changed-since "$$SINCE"} \
		$${COMMENT:+--markdown "$$COMMENT"} $${REVIEW:+--save "$$REVIEW"} --platform "$${PLATFORM:-github}"

comment: setup ## in a CI: COMMENT, a file of make preview, as the one comment of the pull request
	@$(PYTHON) -m tools.preview.comment "$$COMMENT"

apply: setup ## apply what was reviewed (REVIEW, a file of make preview), one stack at a time
	@$(ENV); $(PYTHON) -m tools.preview.apply --policy-pack policy --reviewed "$$REVIEW"

drift: setup ## what somebody changed by hand; ISSUE=yes in a CI: as the one issue
	@$(ENV); $(PYTHON) -m tools.preview.drift $${ISSUE:+--issue}

test-cgroup2: setup ## a site on a host with cgroup v2 only, under QEMU: slow
	@$(ENV); unset AERIE_HOME; $(PYTHON) -m pytest tests/cgroup2 -s

openstack-up: setup ## a real OpenStack (Nova's fake driver) in one container, to try things on
	@$(ENV); $(PYTHON) -m tests.openstack.all_in_one up

openstack-down: ## remove it
	@$(PYTHON) -m tests.openstack.all_in_one down

test-vm: setup ## a site on an OpenStack with real virtual machines, emulated: slow
	@$(ENV); unset AERIE_HOME; $(PYTHON) -m pytest tests/openstack/vm -s

soak: setup ## hours of the framework's simulated cluster, with faults; results in docs/framework.md
	@$(ENV); PYTHONPATH=images/framework:images/framework/tests $(PYTHON) images/framework/tests/simulated_cluster.py 1 $${SEEDS:-1000}
	@$(ENV); $(PYTHON) -m pytest tests/unit images -n auto --dist worksteal --soak
	@$(ENV); $(PYTHON) images/marathon/tests/fuzz_http.py $${SECONDS_OF_REQUESTS:-600}
	@$(ENV); $(PYTHON) -m pytest tests/live/soak_framework.py -s
	@$(ENV); $(PYTHON) -m pytest tests/live --soak -m soak -s

scaling: setup ## the figures and pictures of docs/scaling.md: some minutes
	@$(ENV); $(PYTHON) -m tools.scaling

bench: setup ## the figures of docs/benchmarks.md
	@$(ENV); $(PYTHON) -m tools.bench

.PHONY: help setup images up status rtt load down lint unit test test-cgroup2 openstack-up openstack-down test-vm soak scaling bench preview comment apply drift
