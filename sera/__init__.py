"""The wiring of Sera: settings, servers, services. Apps never import from here.

This file imports nothing: `./dev` starts from here before anything is installed.
"""
