"""``python -m keyfold.cli`` is ``keyfold``."""

from keyfold.cli import main

main()
