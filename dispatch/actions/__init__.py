"""Everything that changes people or work."""
