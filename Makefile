# The front door. `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-micro bench-languages bench-memory fuzz interop docs reference npm wheel dist simulate kill

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Watch messages go from a Python producer to consumers in C, Node and Rust through one server
	@scripts/demo.sh

test: ## Run every test; what this machine has no tool for is listed at the end
	@scripts/test.sh

lint: ## Check format and lints, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

bench: ## Measure FerroMQ beside Apache's broker and the machine's limits, then the languages: 40 minutes; ARGS=--quick takes 11, ARGS=--help lists more
	@scripts/bench.sh $(ARGS)
	@[ -n "$(ARGS)" ] || bench/languages.sh

bench-micro: ## Measure the codec and the store's append path alone
	cargo bench -p ferromq-protocol -p ferromq-store

bench-languages: ## Measure Rust, Python and Node through one server
	@bench/languages.sh

bench-memory: ## Send and receive 10 million messages with Python and Node; fails when memory grows
	@bench/languages.sh memory

npm: ## Pack the npm package for this machine, and try it in an empty project
	@scripts/npm.sh

dist: ## Pack the C library, its header and the program for this machine, and try them outside the tree
	@scripts/dist.sh

wheel: ## Make the Python wheel and source package for this machine, and try them in an empty environment
	@scripts/wheel.sh

interop: ## Only the tests against Apache's clients, servers and tools
	cargo build -p ferromq-server -p ferromq-interop
	cargo test -p ferromq-interop

fuzz: ## Feed every decoder random bytes, a minute each
	fuzz/run.sh 60

simulate: ## Run 20,000 random histories of the store on a disk that loses what was not synced
	FERROMQ_SEEDS=$${FERROMQ_SEEDS:-20000} cargo test -q --release -p ferromq-store --test simulation

kill: ## Kill our broker and Apache's again and again under load, and count what is lost
	cargo build -q -p ferromq-server
	FERROMQ_KILL_APACHE=1 cargo test -q -p ferromq-interop --test kill

reference: ## Make the reference of every language below target/reference
	@scripts/reference.sh

docs: ## Write the generated parts of docs/ anew
	UPDATE_DOCS=1 cargo test -q -p ferromq-protocol --test headers_doc
	scripts/configuration.sh > docs/configuration.md
