"""`python -m outpost` is the same program as the `outpost` console script."""

from outpost.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
