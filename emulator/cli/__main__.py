"""``python -m orbitmesh.emulator.cli``, and the ``orbitmesh`` command.

Whoever presses Ctrl-C while the verbs are still loaded ends it without a word, as any command.
"""

import signal


def start() -> None:
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .main import main

    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    start()
