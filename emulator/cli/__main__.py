"""``python -m orbitmesh.emulator.cli``, and the ``orbitmesh`` command.

Whoever presses Ctrl-C while the verbs are still loaded ends it without a word, as any command.
"""

import signal


def start() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who ignores it is not told how what it started ended
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .main import main

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    start()
