"""Where programs run: what of the machine this process may use, and the cache of what it has compiled."""
