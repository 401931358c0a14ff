"""What both sides of a run write and read: the emulator, and the processes in its nodes.

It imports neither of them, and they do not import each other's insides: ``orbitmesh.emulator``
starts ``orbitmesh.nodes.parent`` as a program, and all that passes between them is defined here.
"""
