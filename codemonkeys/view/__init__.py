"""Pages on stored runs: Datasette with a plugin of ours, on the loopback interface. Needs the extra `view`."""
