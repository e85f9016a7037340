#!/usr/bin/env bash
# Fails, with the file and the name, when an import in src points upward, or when files import each other in a circle.
# Reads `use` declarations and paths such as `crate::error::Error`. Code that only tests compile may import anything.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" - <<'PYTHON'
import re, sys
from pathlib import Path

# From top to bottom. A module imports only modules that stand after it; those joined by a comma do not import each other.
LAYERS = """main cli lib,fuzzing local transfer ingest hybrid config collection client embed transport wire
    logs,metrics,environment,durable random error model invalid printable"""
RANK = {name: rank for rank, row in enumerate(LAYERS.split()) for name in row.split(",")}
# A rank is made of searches, and a search has a rank.
RECURSIVE = {"model/search/rank/mod.rs", "model/search/knn.rs", "model/search/rrf.rs"}

paths = [path for path in Path("src").rglob("*.rs") if path.name not in ("parsers.rs", "tests.rs")]
files = {str(path.relative_to("src")): path.read_text() for path in paths}
module_of = {name: tuple(re.sub(r"/?(mod)?\.rs$", "", name).split("/")) for name in files} | {"lib.rs": ()}
file_of = {module: name for name, module in module_of.items()}

def leaves(tree, before=()):  # a::{b, c::d} has (a, b) and (a, c, d)
    head, brace, inner = tree.partition("{")
    path = before + tuple(re.findall(r"\w+|\*", head.split(" as ")[0]))
    parts = re.findall(r"(?:[^,{}]|\{(?:[^{}]|\{[^{}]*\})*\})+", inner.rpartition("}")[0])
    return [leaf for part in parts if part.strip() for leaf in leaves(part, path)] if brace else [path]

def absolute(path, module):  # from the crate's root on; None for another crate
    relative = path[0] in ("crate", "self", "super")
    if path[0] == "crate":
        module = ()
    while path[:1] == ("super",):
        path, module = path[1:], module[:-1]
    path = path[1:] if path[:1] in (("crate",), ("self",)) else path
    return module + path if relative or module + path[:1] in file_of | exports else None

def definition(path):  # the file that defines what a path names, through re-exports
    for _ in range(9):
        cut = next((n for n in range(len(path), 0, -1) if path[:n] in exports), 0)
        path = exports[path[:cut]] + path[cut:] if cut else path
    return next(file_of[path[:n]] for n in range(len(path), -1, -1) if path[:n] in file_of)

exports, found = {}, []
for name, text in files.items():
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"\n#\[cfg\(test\)\]\s*mod \w+ \{.*", "", text, flags=re.S)
    found += [(name, use, leaf) for use, tree in re.findall(r"(?m)^\s*(pub[^;{]* )?use ([^;]+);", text) for leaf in leaves(tree)]
    inline = re.findall(r"\b(?:crate|super|self)(?:::\w+)+|(?<![\w:.$])[a-z_]+::\w+", re.sub(r"(?m)^\s*(pub[^;{]* )?use [^;]+;", "", text))
    found += [(name, "", tuple(path.split("::"))) for path in inline]
for name, use, leaf in found * 2:
    if use and (path := absolute(leaf, module_of[name])):
        exports[module_of[name] + leaf[-1:]] = path

arrows, wrong = {}, set()
for name, use, leaf in found:
    path = absolute(leaf, module_of[name])
    if path and name != "lib.rs" and (to := definition(path)) != name:
        own, other = (file.split("/")[0].removesuffix(".rs") for file in (name, to))
        if RANK[other] < RANK[own] or RANK[other] == RANK[own] and other != own:
            wrong.add(f"{name}: {'::'.join(leaf)} points upward, to {to}")
        elif not use and not {name, to} <= RECURSIVE:
            arrows.setdefault(name, {})[to] = leaf[-1]
for start in arrows:  # the shortest way back to each file, if there is one
    ways, seen = [(start,)], set()
    for way in ways:
        for to in arrows.get(way[-1], {}).keys() - seen:
            ways.append(way + (to,))
            seen.add(to)
    for way in ways:
        if len(way) > 1 and way[-1] == start == min(way):
            wrong.add("circle: " + " → ".join(f"{a} ({arrows[a][b]})" for a, b in zip(way, way[1:])) + f" → {start}")
print(*sorted(wrong), f"{len(wrong)} imports upward or in a circle, of {sum(map(len, arrows.values()))}", sep="\n")
sys.exit(bool(wrong))
PYTHON
