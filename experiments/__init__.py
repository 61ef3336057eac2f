"""Recipes, and the commands that run, compare and measure them."""

import hardattn as hardattn  # before torch: it keeps OpenMP threads from spinning
