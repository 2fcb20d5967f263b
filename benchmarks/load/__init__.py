"""Servers under load, ours beside what one would otherwise write: `python -m benchmarks.load`; the method is in
`benchmarks/README.md`.

Reading order: `prepared` (bundles and requests), `candidates` (who is measured), `building` (what they need),
`server` (a candidate as a pinned child process), `generators` (sternpost-load and h2load), `scenarios`, `run`, `page`.
"""
