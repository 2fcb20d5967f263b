"""Servers as one writes them without Sternpost: the features of `by_hand.row`, ONNX Runtime, a web framework.

Each is a program of its own, `python -m benchmarks.load.peers.<name> ONNX ADDRESS`, and prints one line of JSON with
its address when it is ready.
"""
