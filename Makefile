# Two commands: `make run` shows it working, `make test` runs every test there is.
# Each sets up what it needs; what it installs, it says. Both builds are unoptimised; what is installed on a
# server is `cargo build --release`.

PORT ?= 1883
CARGO ?= cargo
SOAK_MINUTES ?= 10
SOAK_KILLS ?= 200
RUNS ?= 5
QUICK ?=

.PHONY: run test lint soak bench help

help:
	@echo 'make run [PORT=1883]   build and start a demonstration: broker, gateway, a recording of real packets'
	@echo 'make test              every test there is (installs the programs that they speak to, makes a VM in target/blevm)'
	@echo 'make lint              formatting and clippy alone'
	@echo 'make soak [SOAK_MINUTES=10] [SOAK_FROM=seed]   histories of broker core and store from seeds that make test has not; planted faults;'
	@echo '     [SOAK_KILLS=200]        and so many kills, and power cuts, of the whole program'
	@echo 'make bench [RUNS=5] [QUICK=1]   compare with mosquitto, rumqttd and RMQTT (builds them), write bench/RESULTS.md;'
	@echo '     [BENCH_PEERS=...]          hours; QUICK=1: some minutes, into var/bench. Other brokers by path: bench/README.md'

run:
	@tools/toolchain
	@echo 'Building (a first build takes some minutes: OpenSSL is built from source too) ...'
	$(CARGO) build --bin nightjar
	@exec target/debug/nightjar demo --dir var/demo --port $(PORT)

test:
	@tools/toolchain
	@tools/test-programs
	@$(MAKE) --no-print-directory lint
	@tools/run-tests

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings

# The minutes are the histories'; the planted faults and the kills take some more.
soak:
	@tools/toolchain
	SOAK_MINUTES=$(SOAK_MINUTES) $(CARGO) test --profile soak -p broker-store --test simulation longer_runs -- --nocapture
	@tools/planted-faults
	@tools/test-programs
	KILLS=$(SOAK_KILLS) SEED=$$(date +%s) $(CARGO) test --test durable -- --nocapture --test-threads 1

# A peer that cannot be built is told and left out. The runs are kept in var/bench, so that the page can be written again.
bench:
	@tools/toolchain
	@bench/peers/install
	$(CARGO) build --release --bin nightjar
	@mkdir -p var/bench
	@BENCH_COMMAND='make bench RUNS=$(RUNS)' bench/compare --write --runs $(RUNS) --out var/bench/$$(date +%Y%m%d-%H%M%S).jsonl \
	    $(if $(QUICK),--quick)
