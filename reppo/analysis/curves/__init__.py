"""Runs over training: learning curves, speed and reliability, diagnostics, published curves."""
