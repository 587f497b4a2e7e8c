"""Layers that improve on the candidates of a task between its trajectories and its selection."""
