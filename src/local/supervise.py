"""Supervises: runs a server for a program, and ends it and cleans up when the program ends, however it ends.

usage: supervise.py REMOVE DATA KIND COMMAND...
  REMOVE   a folder to remove at the end, or ""
  DATA     the server's data folder, locked as long as the server lives
  KIND     "wheel": the command watches its standard input by itself; "executable": it does not
standard input: a pipe from the program; a byte or its end means stop
standard output: "pid N", then "exit CODE" should the server end by itself; or "busy": DATA is locked
standard error: the log, also of the server
"""
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

GRACE = 1.2  # seconds between asking the server to end and killing it
PATIENCE = 3.0  # seconds to wait for the data folder of a server that is just ending


def say(line):
    try:
        print(line, flush=True)
    except OSError:
        pass  # the program is gone; standard input says so too


def lock(data):
    """The locked folder, to be inherited by the server; None if another server has it."""
    import fcntl

    folder = os.open(data, os.O_RDONLY)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return folder
        except BlockingIOError:
            if time.monotonic() > deadline or select.select([0], [], [], 0.05)[0]:
                return None


def die_with_parent():
    """Linux only: the kernel ends this process when the supervisor dies, even by kill -9."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start(command, kind, held):
    options = {}
    if os.name == "posix":
        # A session of its own: the whole group can be ended, and no Ctrl-C reaches it before us.
        options.update(start_new_session=True, pass_fds=held)
        if kind == "executable" and sys.platform == "linux":
            options.update(preexec_fn=die_with_parent)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, stderr=2, **options)


def send(child, name):
    try:
        if os.name == "posix":
            os.killpg(child.pid, getattr(signal, name))
        else:
            child.kill()
    except OSError:
        pass  # it has ended


def remove_folder(folder):
    for wait in (0, 0.02, 0.1, 0.3):  # more than once for Windows, where files stay open a little longer
        if not folder or not os.path.exists(folder):
            return
        time.sleep(wait)
        shutil.rmtree(folder, ignore_errors=True)


def main(remove, data, kind, *command):
    events = queue.SimpleQueue()  # its put() is safe in a signal handler
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: events.put("stop"))
    held = ()
    if os.name == "posix":
        folder = lock(data)
        if folder is None:
            say("busy")
            return
        held = (folder,)
        os.ftruncate(2, 0)  # only now: until here the log may have been another server's
    try:
        child = start(command, kind, held)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        say("exit 127")
        return
    say("pid %d" % child.pid)

    def wait_for_server():
        child.wait()
        events.put("ended")

    def wait_for_program():
        os.read(0, 1)
        events.put("stop")

    waiter = threading.Thread(target=wait_for_server, daemon=True)
    waiter.start()
    threading.Thread(target=wait_for_program, daemon=True).start()
    if events.get() == "ended":
        say("exit %d" % child.returncode)
        while events.get() != "stop":  # until then the program may want to read the log
            pass
    else:
        send(child, "SIGTERM")
        waiter.join(GRACE)
    send(child, "SIGKILL")  # the group: also what a wrapper script may have left
    waiter.join()
    remove_folder(remove)


try:
    main(*sys.argv[1:])
finally:
    sys.stderr.flush()
    os._exit(0)
