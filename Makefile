# Courtside: everything a person runs. `make help` lists the targets.
SHELL   := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO      := go
CROSS   := CGO_ENABLED=0 GOOS=linux $(GO) build -trimpath -ldflags '$(LDFLAGS)'

DEMO_SECONDS ?= 0
DEMO_SPEED   ?= 60
DEMO_ARGS    ?=
SOAK_MINUTES ?= 20
MINUTES      ?= 10
SEED         ?= 0
BENCH_ARGS   ?=
DAY          ?= 1
BOARD        ?= qemu-arm64
IMAGE_ARGS   ?=
LONG         ?=

.DEFAULT_GOAL := help
.PHONY: help deb deb-test build test test-race test-386 acceptance hardware-test bench bench-day demo lint fmt proto cross clean soak soak-gates image image-tools image-test

help: ## List the targets.
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build gateway, aggregator, gwctl, demo, venuesim and loadgen for this machine into bin/.
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./tools/demo ./firmware/cmd/gateway ./firmware/cmd/gwctl ./cloud/cmd/aggregator ./tools/venuesim/cmd/venuesim ./tools/loadgen/cmd/loadgen

test: lint test-race test-386 ## Check layers and format, run all tests with the race detector, and once more as 32-bit.

# The race detector needs a C compiler; a machine without one still runs every test.
RACE := $(if $(shell command -v $(or $(CC),cc) 2>/dev/null),-race)

test-race:
	@$(if $(RACE),,echo "no C compiler: testing without the race detector")
	$(GO) test $(RACE) -timeout 15m ./...

test-386:
	GOARCH=386 CGO_ENABLED=0 $(GO) test -timeout 15m ./...

acceptance: ## Prove the whole against real peers: mosquitto, Chromium, protoc, qemu (installs Debian packages).
	tools/acceptance/run

hardware-test: cross ## Run the GPIO, I2C and SPI drivers and the gateway in a VM against the kernel's own interfaces (root; Debian's packages).
	@[ "$$(id -u)" = 0 ] || { echo "hardware-test takes root: sudo make hardware-test"; exit 1; }
	$(GO) test -tags acceptance -count=1 -timeout 30m -v ./tools/hardwaretest

bench: ## Print every aim of docs/design.md beside what this machine reached.
	$(GO) run ./tools/bench $(BENCH_ARGS)

bench-day: ## Store and replay an outage of 24 h at 10,000 events/s, 864 million samples (DAY=0.01 for a hundredth; takes 4 GB of disk).
	$(GO) run ./tools/bench -day $(DAY) $(BENCH_ARGS)

soak: build ## Kill, cut, starve and restart everything at random for SOAK_MINUTES, then judge by the ground truth (SEED=… repeats a run).
	$(GO) build -trimpath -o bin/ ./tools/faults/cmd/faults
	bin/faults -bin bin -soak $(SOAK_MINUTES) -seed $(SEED) -q

soak-gates: build ## Restart and spoil 24 gates with event rings and kill gateways for MINUTES at 60 times life, then again with rings too small (SEED=…).
	$(GO) build -trimpath -o bin/ ./tools/faults/cmd/faults
	bin/faults -bin bin -gates $(MINUTES) -seed $(SEED) -q
	bin/faults -bin bin -gates $$(awk 'BEGIN { print $(MINUTES) / 4 }') -slots 16 -too-small -seed $(SEED) -q

demo: build ## Run a simulated venue, two gateways, the aggregator and its page (DEMO_SECONDS=60 DEMO_SPEED=120 ends with a verdict).
	@bin/demo -bin bin -seconds $(DEMO_SECONDS) -speed $(DEMO_SPEED) $(DEMO_ARGS)

image: ## Build the image of BOARD and the bundle that updates it into bin/images/BOARD/ (needs root, and make image-tools once).
	$(GO) run ./boards/cmd/image -board $(BOARD) $(IMAGE_ARGS)

image-tools: ## Install the Debian packages that make image and make image-test need.
	tools/imagetest/tools

image-test: ## Boot BOARD's image in QEMU, poll, update and break it (LONG=1: every way to fall back, and twenty power cuts).
	tools/imagetest/run $(BOARD) $(LONG)

# Tests with a tag need more than Go to run, and no more to be read.
TAGS := acceptance,image,hardware

lint: ## Check formatting, go vet and the layers; the scripts, too, where shellcheck is installed.
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt'd (make fmt):"; echo "$$out"; exit 1; fi
	$(GO) vet -tags $(TAGS) ./...
	@if command -v shellcheck >/dev/null; then shellcheck -x -S warning $$(git grep -lE '^#!/(usr/bin/env bash|bin/(busybox )?sh)'); fi
	@$(GO) test ./tools/layers

fmt: ## Format the Go code.
	gofmt -w $$(git ls-files '*.go')

proto: ## Generate the sync contract's code (needs Debian's protobuf-compiler).
	tools/protogen/protogen.sh

cross: ## Build static, stripped gateways and gwctl into bin/linux-arm64/ and bin/linux-armv7/.
	@mkdir -p bin/linux-arm64 bin/linux-armv7
	GOARCH=arm64 $(CROSS) -o bin/linux-arm64/ ./firmware/cmd/gateway ./firmware/cmd/gwctl
	GOARCH=arm GOARM=7 $(CROSS) -o bin/linux-armv7/ ./firmware/cmd/gateway ./firmware/cmd/gwctl
	@ls -l bin/linux-arm64 bin/linux-armv7

deb: ## Build the Debian packages of gateway, gwctl and aggregator for amd64, arm64 and armhf into bin/deb/.
	GO='$(GO)' boards/deb/build

deb-test: ## Prove the packages: built twice, linted, installed, run by a booted systemd in a container, purged (root; Debian's packages).
	tools/debtest/check.sh

clean: ## Remove what was built.
	rm -rf bin .cache tmp
