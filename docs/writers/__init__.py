"""Writes pages of the documentation from what the library says of itself. Only the build of the site uses it."""
