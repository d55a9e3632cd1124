"""Helpers for the notebooks of Next Word."""
