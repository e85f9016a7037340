"""Supervises: runs a server for a program, and ends it and cleans up when the program ends, however it ends.

usage: supervise.py REMOVE DATA KIND COMMAND...
  REMOVE   a folder to remove at the end, or ""
  DATA     the server's data folder, locked as long as the server lives
  KIND     "wheel": the command watches its standard input by itself; "executable": it does not
standard input: a pipe from the program; a byte or its end means stop
standard output:
  "busy PROCESS"    another program uses DATA; nothing was started. PROCESS may be empty
  "pid N"           the server runs
  "shared PROCESS"  another program has opened DATA as well; Linux only
  "exit CODE"       the server has ended by itself
standard error: the log, also of the server
"""
import errno
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
LOG_LIMIT = 8 << 20  # bytes
LOG_KEPT = 64 << 10  # bytes that are left of a log that has reached the limit
PID_AT = 1 << 20  # Windows does not let others read what is locked, so the lock is on another byte than the pid


def say(line):
    try:
        print(line, flush=True)
    except OSError:
        pass  # the program is gone; standard input says so too


def try_lock(file):
    """Whether the lock is ours. Also true on a file system without locks."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(file, PID_AT, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def write_holder(file, process):
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, b"%-15s\n" % str(process).encode())


def read_holder(file):
    """The process of the server that holds the lock."""
    os.lseek(file, 0, os.SEEK_SET)
    return os.read(file, 15).decode("ascii", "replace").strip()


def users(data, ours):
    """The processes that have opened the database, except for the program and those of the group `ours`."""
    found = []
    try:
        database = os.stat(os.path.join(data, "chroma.sqlite3"))
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found  # a new folder, or another system than Linux
    for process in processes:
        try:
            folder = "/proc/%d/fd" % process
            links = [os.path.join(folder, name) for name in os.listdir(folder)]
            links = [link for link in links if os.readlink(link).endswith("/chroma.sqlite3")]
            links = [link for link in links if os.lstat(link).st_mode & 0o200]  # a backup only reads
            is_other = process != os.getppid() and os.getpgid(process) != ours
            if is_other and any(os.path.samestat(os.stat(link), database) for link in links):
                with open("/proc/%d/comm" % process) as name:
                    found.append("%d (%s)" % (process, name.read().strip()))
        except OSError:
            pass  # it has ended, or belongs to another user
    return found


def take(data):
    """The lock file of the data folder, to be inherited by the server; None if another program uses the folder."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    file = os.open(os.path.join(data, "chroma.lock"), flags, 0o600)
    deadline = time.monotonic() + PATIENCE
    while True:
        locked = try_lock(file)
        others = users(data, 0)
        if locked and not others:
            return file
        if time.monotonic() > deadline or has_input():
            say("busy " + (others[0] if others else read_holder(file)))
            return None
        time.sleep(0.05)


def has_input():
    return os.name == "posix" and select.select([0], [], [], 0)[0]


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


def limit_log():
    try:
        size = os.fstat(2).st_size
        if size > LOG_LIMIT:
            kept = os.pread(2, LOG_KEPT, size - LOG_KEPT) if hasattr(os, "pread") else b""
            os.ftruncate(2, 0)
            os.write(2, kept)
    except OSError:
        pass


def keep_watch(events, data, server):
    """The next event. Meanwhile, watches the log and the data folder."""
    told = set()
    next_look = time.monotonic()
    while True:
        try:
            return events.get(timeout=1)
        except queue.Empty:
            limit_log()
        if time.monotonic() > next_look:
            begin = time.process_time()
            for process in set(users(data, server)) - told:
                told.add(process)
                say("shared " + process)
            next_look = time.monotonic() + 300 * (time.process_time() - begin)  # at most 0.3 % of a core


def main(remove, data, kind, *command):
    events = queue.SimpleQueue()  # its put() is safe in a signal handler
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: events.put("stop"))
    held = take(data)
    if held is None:
        return
    write_holder(held, "")
    if os.name == "posix":
        os.ftruncate(2, 0)  # only now: until here the log may have been another server's
    keep = [held]
    if remove and os.name == "posix":
        # systemd-tmpfiles leaves a locked folder alone, however old its files are.
        keep.append(os.open(remove, os.O_RDONLY))
        try_lock(keep[-1])
    try:
        child = start(command, kind, keep)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        say("exit 127")
        return
    write_holder(held, child.pid)
    say("pid %d" % child.pid)

    def wait_for_server():
        if hasattr(os, "waitid"):
            # Until wait() is called, no other process gets this number.
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        else:
            child.wait()
        events.put("ended")

    def wait_for_program():
        os.read(0, 1)
        events.put("stop")

    waiter = threading.Thread(target=wait_for_server, daemon=True)
    waiter.start()
    threading.Thread(target=wait_for_program, daemon=True).start()
    has_ended = keep_watch(events, data, child.pid) == "ended"
    if not has_ended:
        send(child, "SIGTERM")
        waiter.join(GRACE)
    send(child, "SIGKILL")  # the group, at once: also what a wrapper script may have left
    code = child.wait()
    if has_ended:
        say("exit %d" % code)
        while events.get() != "stop":  # until then the program may want to read the log
            pass
    remove_folder(remove)


try:
    main(*sys.argv[1:])
except Exception as error:
    print("cannot supervise: %s" % error, file=sys.stderr)
finally:
    sys.stderr.flush()
    os._exit(0)
