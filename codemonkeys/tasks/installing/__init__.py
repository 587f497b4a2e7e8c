"""Environments for one's own repositories: what their lock files name, installed before the network is cut off."""
