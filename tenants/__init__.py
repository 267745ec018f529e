"""Companies: each has a schema of its own, and every piece of work names the one it is for."""
