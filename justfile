# The few commands in daily use; `just` lists them. CI runs .ci/run, which needs none of this.

_default:
    @just --list --unsorted

# Serve on the default port with the default data directory
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# Screen addresses
screen *ARGS:
    cargo run --release -- screen {{ARGS}}

# All tests, or those that a filter names
test *ARGS:
    cargo test {{ARGS}}

# Format, then everything that a compiler or linter can find
lint:
    cargo fmt --all
    cargo clippy --all-targets -- -D warnings

# Spelling of code and documents (pip install typos)
typos *ARGS:
    typos {{ARGS}}

# Fuzz each target, or those named, for some seconds (10); `just fuzz 3600` takes hours
fuzz *ARGS:
    fuzz/run {{ARGS}}

# Screening against the cost of gRPC alone: ratios, and PASS or FAIL for each goal
bench *ARGS:
    cargo bench --bench screening -- {{ARGS}}

# Instructions of a clean call against the committed figures; `--update` writes them anew
instructions *ARGS:
    cargo bench --profile dev --bench screening -- --gate {{ARGS}}

# Every check of the chart; `just chart --update` writes anew what is generated
chart *ARGS:
    helm/check.py {{ARGS}}

# What CI runs
ci:
    bash .ci/run
