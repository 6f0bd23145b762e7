"""The command line. It starts the other houses as processes and imports none of them.

The commands are declared in commands.py and roles.py of keyfold/cli; what each does lies in a
module of its own.
"""

from __future__ import annotations

import sys

from keyfold.cli.commands import app
from keyfold.cli.show import print_error
from keyfold.errors import KeyfoldError, SettingsError, SqlError, StateError
from keyfold.process import EXIT_CRASH, EXIT_REFUSED

EXIT_INTERRUPTED = 130
"""As shells report a command that Ctrl-C ended."""


def main() -> None:
    """Run the command line: the entry point of the ``keyfold`` script."""
    try:
        app()
    except KeyfoldError as error:
        print_error(error)
        refused = isinstance(error, SettingsError | SqlError | StateError)
        sys.exit(EXIT_REFUSED if refused else EXIT_CRASH)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
