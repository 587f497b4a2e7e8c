"""`python -m codemonkeys`."""

from codemonkeys.cli import main

if __name__ == "__main__":
    main()
