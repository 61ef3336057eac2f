"""Gymnasium faces of worlds, and the catalogue of named problems."""
