"""`python -m hardattn.experiments COMMAND ...`, and in a checkout `python -m experiments`."""

from hardattn.experiments.cli import main
from hardattn.experiments.command import obey

if __name__ == "__main__":
    obey(main)
