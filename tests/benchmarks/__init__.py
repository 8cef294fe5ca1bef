"""What must be fast, held against a peer in the same run: `python -m tests.benchmarks [ID ...] [--json FILE]`."""
