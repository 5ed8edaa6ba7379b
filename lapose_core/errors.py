"""The one exception that users see."""


class LaposeError(Exception):
    """Something a user can mend: the text is one line that says what is wrong and what to do.

    The command line prints it and exits with 2; the node logs it. Anything else that escapes is a bug.
    """
