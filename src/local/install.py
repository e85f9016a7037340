"""Installs: puts the wheel chromadb into a folder. The folder appears whole or not at all, and one installer works
at a time.

usage: install.py TARGET VERSION SHA256...
standard input: a pipe from the program; its end means that the program is gone: stop
standard output: "waiting" for another installer; "installing": this one downloads; then pip's words, if it failed
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

# Settings of pip that a user may have for other purposes, and that would break this.
UNWANTED = (
    "ABI CONSTRAINT DRY_RUN EDITABLE IMPLEMENTATION NO_BINARY PLATFORM PREFIX PYTHON PYTHON_VERSION REPORT REQUIREMENT "
    "ROOT TARGET UPGRADE"
)

# What must be cleaned away should the program end; `changing` is held by who creates or removes it.
pip = None
work = None
changing = threading.Lock()


def say(line):
    print(line, flush=True)


def lock(path):
    """Held until this process ends, and pip too where it inherits it: the kernel lets go of it, nobody can forget."""
    file = open(path, "a+b")
    try:
        import fcntl
    except ImportError:
        import msvcrt

        said = False
        while True:
            try:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return file
            except OSError:
                if not said:
                    say("waiting")
                said = True
                time.sleep(0.2)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting")
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def watch():
    while os.read(0, 4096):
        pass
    changing.acquire()  # for good: the other thread must not go on
    if pip is not None:
        pip.kill()
        pip.wait()
    if work is not None:
        shutil.rmtree(work, ignore_errors=True)
    os._exit(1)


def start_pip(held, version, hashes, library):
    requirements = os.path.join(work, "requirements.txt")
    with open(requirements, "w") as file:
        file.write(" ".join(["chromadb==" + version] + ["--hash=sha256:" + sha256 for sha256 in hashes]))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    for name in UNWANTED.split():
        environment.pop("PIP_" + name, None)
    environment.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PYTHONDONTWRITEBYTECODE="1", PYTHONUTF8="1")
    for name in ("TMPDIR", "TEMP", "TMP"):
        environment[name] = work  # so that a killed pip leaves nothing elsewhere
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--no-compile", "--progress-bar", "off", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--target", library, "-r", requirements]
    options = {"pass_fds": (held.fileno(),)} if os.name == "posix" else {}
    return subprocess.Popen(
        command,
        cwd=work,  # not the user's folder, which may hold a pip.py
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def main(target, version, *hashes):
    global pip, work
    os.umask(0o022)  # a server that every user could replace would be refused
    parent, name = os.path.split(target)
    os.makedirs(parent, exist_ok=True)
    threading.Thread(target=watch, daemon=True).start()
    held = lock(target + ".lock")
    module = os.path.join(target, "chromadb_rust_bindings")
    if os.path.isfile(os.path.join(module, "__init__.py")) and glob.glob(
        os.path.join(glob.escape(module), "chromadb_rust_bindings.*")
    ):
        return 0
    for stale in glob.glob(glob.escape(target) + ".tmp-*") + [target]:
        shutil.rmtree(stale, ignore_errors=True)
    say("installing")
    try:
        with changing:
            work = tempfile.mkdtemp(prefix=name + ".tmp-", dir=parent)
            library = os.path.join(work, "lib")
            pip = start_pip(held, version, hashes, library)
        words = pip.communicate()[0].decode("utf-8", "replace")
        with changing:
            if pip.returncode == 0:
                os.rename(library, target)
        if pip.returncode != 0:
            say(words)
        return pip.returncode
    finally:
        with changing:
            if work is not None:
                shutil.rmtree(work, ignore_errors=True)


try:
    sys.exit(main(*sys.argv[1:]))
except OSError as error:
    say("cannot write there: %s" % error)
    sys.exit(2)
