"""A small Django project that serves the cable to the conformance tests."""
