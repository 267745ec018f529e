"""REST: phones post fixes here; people read positions and history."""
