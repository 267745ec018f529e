"""The baseline of `ingest`: positions through Django REST framework as its tutorial has it."""
