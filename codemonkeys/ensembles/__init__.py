"""Ensembles: what other systems submitted, put together, and one patch chosen for each task."""
