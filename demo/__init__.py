"""The demo: two invented companies in two real towns, their fleet, and GPX replay.

Everything here is a client of Sera's public API or plain data. Nothing imports the apps.
"""
