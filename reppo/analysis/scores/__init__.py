"""Runs as scores: one number per run, on a scale, with what must be said of them."""
