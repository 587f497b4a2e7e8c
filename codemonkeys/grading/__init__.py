"""Grading by the hidden tests. Code that solves tasks never imports it."""
