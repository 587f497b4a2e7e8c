"""Where compute goes: policies that decide, after each wave of trajectories, what a task gets next."""
