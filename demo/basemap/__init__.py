"""Builds the offline base map and the demo's street network from OpenStreetMap extracts."""
