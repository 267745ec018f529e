"""Repeatable measurements against named baselines; `./dev bench NAME` runs one. See README.md."""
