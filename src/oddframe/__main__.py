"""`python -m oddframe` is the command `oddframe`."""

from oddframe.cli import main

if __name__ == "__main__":
    main()
