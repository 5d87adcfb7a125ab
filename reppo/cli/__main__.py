"""`python -m reppo.cli`."""

from reppo.cli.entry import main

if __name__ == "__main__":
    raise SystemExit(main())
