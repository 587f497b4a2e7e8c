"""Grading by the hidden tests: what `codemonkeys.evaluation` is made of. Nothing that solves tasks imports it."""
