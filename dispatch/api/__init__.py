"""REST: signing in, and reading people and work."""
