"""Runs a program at a terminal of its own and types a pass phrase when it asks for one.

typed.py PHRASE PROGRAM ARGUMENT...  What the program says goes to standard output. When standard input ends, the
program is told to end.
"""

import os
import pty
import signal
import sys
import threading

child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])


def end_with_input():
    while os.read(0, 4096):
        pass
    os.kill(child, signal.SIGTERM)


threading.Thread(target=end_with_input, daemon=True).start()
said, is_asked = b"", False
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break  # nobody is left at the other end
    if not piece:
        break
    os.write(1, piece)
    said += piece
    if not is_asked and b"pass phrase" in said:
        is_asked = True
        os.write(terminal, sys.argv[1].encode() + b"\n")
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))  # without waiting for the thread
