"""`python -m hardattn.experiments COMMAND ...`, and in a checkout `python -m experiments`."""

from hardattn.experiments.cli import program

if __name__ == "__main__":
    program()
