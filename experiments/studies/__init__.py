"""Measurements over finished runs, and over the tables of methods."""
