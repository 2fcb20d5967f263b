"""Sternpost."""
