"""Serves: the Chroma server of an installed wheel, ended when standard input ends.

usage: serve.py LIBRARY REMOVE run --path ... (REMOVE: a folder to remove, or "")
"""
import os
import shutil
import signal
import sys
import threading

GRACE = 1.2  # seconds between asking and killing, as in supervise.py


leaving = threading.Lock()


def leave(folder):
    """Called by two threads; the first one does it, the other waits for the end."""
    with leaving:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def watch(lost, folder):
    """End-of-file means that the supervisor died without ending this process."""
    while os.read(0, 4096):
        pass
    lost.set()
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGTERM)  # the server handles it and returns from cli()
        threading.Event().wait(GRACE)
    leave(folder)


def main(library, folder, *arguments):
    lost = threading.Event()
    threading.Thread(target=watch, args=(lost, folder), daemon=True).start()
    sys.path.insert(0, library)
    import chromadb_rust_bindings

    chromadb_rust_bindings.cli(["chroma", *arguments])  # other threads run meanwhile
    if lost.is_set():
        leave(folder)


main(*sys.argv[1:])
