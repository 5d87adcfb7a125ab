"""`python -m reppo.cli`."""

from reppo.cli.entry import script

if __name__ == "__main__":
    script()
