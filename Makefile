# The commands of a working day: `make help` lists them.
# Needs GNU make and bash. What else is missing, scripts/setup.sh installs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Steps build on one another and cargo uses all cores by itself.
.NOTPARALLEL:

# The site is embedded from, and the browser tests start the program at, fixed places.
export CARGO_TARGET_DIR := $(CURDIR)/target
# wasm-opt and, if another version of a tool was there before, our own copies of the Rust tools.
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/scripts/tools/node_modules/.bin:$(PATH):$(HOME)/.cargo/bin

SECTION := scripts/section.sh
BINARY := target/release/elb-dashboard
# The browser tests run the program that the other tests have built: the same code, built once less.
TESTED := target/debug/elb-dashboard
# The runner is linked statically, so that it runs in an image of any distribution.
STATIC := $(shell uname -m)-unknown-linux-musl
RUNNER := target/$(STATIC)/release/elb-runner
TESTED_RUNNER := target/$(STATIC)/debug/elb-runner
# The browser half is built for wasm32 only, apart from the rest (see Cargo.toml).
NATIVE := --workspace --exclude elb-frontend
BROWSER := --package elb-frontend --features islands --target wasm32-unknown-unknown
# Continuous integration must not change Cargo.lock silently.
LOCKED := $(if $(CI),--locked)

# The site is rebuilt if one of these is newer. Folders are listed too: their time changes when a
# file in them is deleted.
SITE := target/site.stamp
SITE_SOURCES := Cargo.toml Cargo.lock $(wildcard core/Cargo.toml app/Cargo.toml frontend/Cargo.toml) \
	$(shell find core/src app/src frontend/src style public 2>/dev/null)

SETUP_STAGE := build
run: SETUP_STAGE := run
test setup crash bench soak: SETUP_STAGE := test
runner cluster run-cluster test-cluster: SETUP_STAGE := cluster

.PHONY: help run build runner test bench crash soak cluster run-cluster test-cluster clean setup ready server format-check packages lint unit-tests size end2end

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

run: ready server ## install what is missing, build, and serve on http://127.0.0.1:3000
	@echo "==> elb-dashboard on http://$${ELB_LISTEN:-127.0.0.1:3000} (Ctrl-C ends it)"
	@exec $(BINARY)

build: ready server size ## one self-contained program: target/release/elb-dashboard
	@echo "built $(BINARY) ($$(du -h $(BINARY) | cut -f 1))"

runner: ready ## the program for the image of the pods, without libraries: target/*-linux-musl/release/elb-runner
	@$(SECTION) "runner" cargo build $(LOCKED) --release --package elb-runner --target $(STATIC)
	@echo "built $(RUNNER) ($$(du -h $(RUNNER) | cut -f 1))"

test: ready format-check packages $(SITE) lint unit-tests size end2end ## every check there is, browser tests last

bench: ready server ## the benchmarks
	@$(SECTION) "benchmarks" cargo bench $(LOCKED) --package elb-engine --features azure --bench '*'
	@$(SECTION) "answers over HTTP" cargo bench $(LOCKED) --package elb-server --bench http
	@$(SECTION) "start to first page" node scripts/bench-start.mjs
	@$(SECTION) "a write until another browser shows it" node scripts/bench-live.mjs

crash: ready $(SITE) ## the long crash run: 1,000 kills, 20 and more at each named point
	@$(SECTION) "crash harness" env ELB_CRASH_KILLS=$${ELB_CRASH_KILLS:-1000} \
		cargo test $(LOCKED) --package elb-server --test crash -- --nocapture

soak: ready server ## the long run of the event stream: 200 readers that come and go, 20 writes a second, 10 minutes
	@$(SECTION) "soak" node scripts/soak.mjs

cluster: ready ## a real Kubernetes cluster of its own, until Ctrl-C; ARGS="--control-plane-only"
	@exec scripts/cluster.sh start $(ARGS) target/cluster

run-cluster: ready server runner ## the dashboard with its searches in real pods, on a cluster of its own, until Ctrl-C
	@exec scripts/cluster.sh start target/demo-cluster -- \
		scripts/run-cluster.sh $(CURDIR)/target/demo-cluster $(CURDIR)/$(BINARY) $(CURDIR)/$(RUNNER)

# 1.20's port-forward, by which that test calls the program in its pod, hangs once a reader of an event stream has left.
LEFT_OUT = $$([[ $$(scripts/cluster.sh which) != debian ]] || echo --skip deployed::)

test-cluster: ready ## the tests that need a Kubernetes cluster; ELB_KUBERNETES=debian: on Kubernetes 1.20
	@$(SECTION) "lints of the test cluster" env -C end2end/kubernetes/cluster GOFLAGS= "$$(scripts/go.sh --old)" vet ./...
	@$(SECTION) "tests of the cluster" cargo test $(LOCKED) --package elb-testkit --features cluster cluster::
	@$(SECTION) "tests on a cluster" cargo test $(LOCKED) --package elb-engine --features kubernetes,cluster-tests --test cluster
	@$(SECTION) "runner" cargo build $(LOCKED) --package elb-runner --target $(STATIC)
	@$(SECTION) "searches in pods" cargo test $(LOCKED) --package elb-server --features cluster-tests --test cluster -- --nocapture --test-threads 3 $(LEFT_OUT)
	@$(SECTION) "browser tests on a cluster" env E2E_BINARY=$(CURDIR)/$(TESTED) scripts/cluster.sh start target/test-cluster -- \
		scripts/run-cluster.sh $(CURDIR)/target/test-cluster $(CURDIR)/$(TESTED) $(CURDIR)/$(TESTED_RUNNER) \
		end2end/node_modules/.bin/playwright test --config end2end/cluster.config.ts

clean: ## remove what was built (installed tools stay)
	rm -rf target end2end/test-results end2end/playwright-report

setup: ready ## install what building, running and testing need

# --- steps of the above, also useful alone --------------------------------------------------------

ready:
	@scripts/setup.sh $(SETUP_STAGE)

$(SITE): $(SITE_SOURCES) | ready
	@rm -f $@
	@$(SECTION) "browser half" cargo leptos build --release --frontend-only
	@touch $@

# The stamp says nothing once the site itself is gone.
ifeq ($(wildcard target/site/pkg/*.wasm),)
$(SITE): rebuild
.PHONY: rebuild
rebuild:
endif

server: $(SITE)
	@$(SECTION) "server" cargo build $(LOCKED) --release --package elb-server

format-check: ## formatting only
	@$(SECTION) "formatting" cargo fmt --all --check

packages: ready ## dependency budget only
	@$(SECTION) "dependency budget" node scripts/check-packages.mjs

lint: $(SITE) ## clippy only, warnings are errors
	@$(SECTION) "lints" cargo clippy $(LOCKED) $(NATIVE) --features elb-testkit/cluster,elb-engine/cluster-tests,elb-server/cluster-tests,elb-server/otel --all-targets -- -D warnings
	@$(SECTION) "lints of the browser half" cargo clippy $(LOCKED) $(BROWSER) -- -D warnings

unit-tests: $(SITE) ## unit and integration tests only
	@$(SECTION) "unit and integration tests" cargo test $(LOCKED) $(NATIVE) --no-fail-fast
	@$(SECTION) "tests of traces" cargo test $(LOCKED) $(NATIVE) --features elb-server/otel --test otel

size: $(SITE) ## first-load budget only
	@$(SECTION) "first-load budget" node scripts/check-size.mjs

# The last line is plain, for machines: `N passed, N failed, N skipped`.
end2end: SETUP_STAGE := test
end2end: ready $(SITE) ## browser tests only; ARGS="health --project mobile" narrows them
	@$(SECTION) "program for the browser tests" cargo build $(LOCKED) --package elb-server
	@$(SECTION) "types of the browser tests" end2end/node_modules/.bin/tsc --project end2end
	@rm -f end2end/test-results/tally.txt
	@status=0; \
	E2E_BINARY=$(CURDIR)/$(TESTED) $(SECTION) "browser tests" end2end/node_modules/.bin/playwright test --config end2end $(ARGS) || status=$$?; \
	cat end2end/test-results/tally.txt 2>/dev/null || true; \
	exit $$status
