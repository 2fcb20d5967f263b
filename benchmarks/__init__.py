"""Sternpost beside what one would otherwise write, in one run: `python -m benchmarks`; the method is in README.md.

Reading order: `workload` (the rows), `loans` (contract and features, as a user writes them), `by_hand` (the same
features in plain Python, numpy, pandas, polars), `material` (models, bundles and files in a folder), `agreement` (all
forms give the same numbers, checked before any clock is read), `sampling` (interleaved rounds), `worker` (one form in
its own pinned process), then one module per part, `report`, and `__main__`.
"""
