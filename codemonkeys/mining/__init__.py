"""Makes task repositories of the fixes in a repository's own history."""
