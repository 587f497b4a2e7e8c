"""The repository's own tests: whose runner is found, which of them concern a patch, and what became of each."""
