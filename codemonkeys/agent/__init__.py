"""Trajectories that look around: a model's commands in a session of the task's sandbox."""
