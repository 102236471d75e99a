"""``python -m pthway``."""

from pthway.cli import main

main()
