"""The one error that photoflow raises for what a person handed it."""


class InputError(ValueError):
    """Bad input; its message is one line that names what was expected and what was found.

    The command line prints the line and exits with code 2.
    """
