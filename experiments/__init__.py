"""Recipes, and the commands that run, compare and measure them. Not installed."""

import hardattn as hardattn  # before torch: it keeps OpenMP threads from spinning
