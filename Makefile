# secnetmon: what a person runs. `make help` lists it. The work is done by scripts/, the build by cargo.
#
#   CARGO_TARGET_DIR=DIR    where cargo builds      (default ~/.cache/secnetmon/target)
#   DUCKDB_LIB_DIR=DIR      your own DuckDB 1.5.5   (default: the official library, fetched once)
#   PREFIX=DIR DESTDIR=DIR  for install             (default /usr/local)

export CARGO_TARGET_DIR ?= $(HOME)/.cache/secnetmon/target
PREFIX ?= /usr/local
BIN := $(CARGO_TARGET_DIR)/release/secnetmon

.PHONY: build demo test bench bench-live protocol-report records-report detect-report install uninstall deb fmt lint samples clean help
.DEFAULT_GOAL := build

build: ## build the program (the first time 6 to 7 minutes on two cores)
	@scripts/setup.sh build
	@[ -x "$(BIN)" ] || echo "First build: 6 to 7 minutes on two cores (30 to 40 where DuckDB has to be compiled)."
	@scripts/cargo.sh build
	@echo "Built $(BIN)"

demo: build ## ingest the shipped samples into a throw-away database and ask it a few questions
	@scripts/demo.sh "$(BIN)"

test: ## run every test; those that need a tool that is missing say so and are skipped
	@scripts/setup.sh build
	@echo "Compiling and running every test: about 8 minutes the first time, 3 to 4 after that."
	@scripts/cargo.sh test $(TESTS)

bench: build ## measure ingest beside nfpcapd and argus on one file (makes up to 1 GiB of load in ~/.cache once)
	@scripts/setup.sh bench
	@scripts/bench.py "$(BIN)"

bench-live: build ## up to which rate is nothing lost live, beside tcpdump and argus (root; 15 minutes; ARGS=--quick tries it, ARGS="--soak 30": is memory flat?)
	@scripts/setup.sh bench
	@scripts/bench-live.py "$(BIN)" $(ARGS)

# Where the measures and captures lie that are kept beside the project.
CHECK ?= ../shared/check
CORPUS ?= ../shared/corpus

protocol-report: build ## is the service of every flow of the corpus right? (CHECK and CORPUS name the folders)
	@if [ -f "$(CHECK)/protocols.py" ] && [ -d "$(CORPUS)/protocols" ]; then \
		python3 "$(CHECK)/protocols.py" "$(BIN)" "$(CORPUS)/protocols" "$(CORPUS)/protocols_truth"; \
	else echo "No corpus at $(CORPUS), or no measures at $(CHECK): nothing to report."; fi

detect-report: build ## is every labelled threat of the corpus found, and is the benign part quiet? (CHECK and CORPUS name the folders)
	@if [ -f "$(CHECK)/detect.py" ] && [ -f "$(CORPUS)/manifest.tsv" ]; then \
		python3 "$(CHECK)/detect.py" "$(BIN)" "$(CORPUS)/manifest.tsv"; \
	else echo "No corpus at $(CORPUS), or no measures at $(CHECK): nothing to report."; fi

records-report: build ## are the records of the corpus equal to tshark's fields? (reads each capture with tshark once: minutes)
	@if [ -d "$(CORPUS)" ] && command -v tshark >/dev/null; then scripts/records-level.py "$(BIN)" "$(CORPUS)" $(LEVEL); \
	else echo "No corpus at $(CORPUS), or no tshark: nothing to report."; fi

install: build ## copy program, DuckDB library, manual page and shell completions to PREFIX
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" scripts/install.sh "$(BIN)"

uninstall: ## remove what install copied
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" scripts/install.sh --remove

deb: ## make a Debian package, optimised as a whole (needs cargo-deb; 10 minutes and more on two cores)
	@scripts/setup.sh build
	@scripts/deb.sh

fmt: ## format the code
	@cargo fmt

lint: ## formatting and clippy, warnings are errors
	@cargo fmt --check
	@scripts/cargo.sh clippy --all-targets -- -D warnings

samples: ## record the samples again (root; network namespaces; only when a sample has to change)
	@scripts/setup.sh samples
	@scripts/record-samples.sh

clean: ## remove what cargo built (not the fetched library, not the bench load)
	@cargo clean

help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24
