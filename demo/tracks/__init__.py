"""Sample GPX tracks, simulated by ``demo.tracks.make``."""
