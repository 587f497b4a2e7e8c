"""Grading by the hidden tests. Nothing that solves tasks imports it."""
