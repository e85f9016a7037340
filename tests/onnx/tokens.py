"""Prints the ids that PyPI's `tokenizers` gives to varied texts, for GOLDEN_TOKENS.

    tokens.py FOLDER SCRATCH [--all-code-points] > tokens.jsonl

FOLDER has the tokenizer.json and vocab.txt of all-MiniLM-L6-v2. Other tokenizers are written to SCRATCH.
With the option, compares all code points with the first tokenizer, a selection with the others, and texts of 10 MB.
Without it, compares the selection with the first one, and texts of 1 MB.

The lines are JSON:
    {"folder": F, "max_tokens": N}         the tokenizer of the lines that follow
    {"text": T, "ids": [...]}              the ids of a text, at most N
    {"repeat": T, "times": N, "ids": ...}  the ids of a text that is too long to be printed
    {"first": A, "last": B, "ids": [...]}  the ids of "a{c}b {c}" for each code point c from A to B
"""

import copy
import json
import pathlib
import random
import sys
import unicodedata

import tokenizers

MAX_TOKENS = 256
SCRIPTS = [
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F),
    (0x530, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x13FF),
    (0x1780, 0x17FF), (0x1AB0, 0x1AFF), (0x1DC0, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
    (0x2C00, 0x2FFF), (0x3000, 0x30FF), (0x3100, 0x33FF), (0x3400, 0x34FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
    (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x107FF), (0x10800, 0x11FFF),
    (0x1D100, 0x1D7FF), (0x1E000, 0x1EFFF), (0x1F300, 0x1FAFF), (0x20000, 0x20100), (0x2F800, 0x2FA1F),
    (0xE0000, 0xE01EF),
]
SPECIAL = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]
PIECES = SPECIAL + [
    "[sep]", "[ SEP ]", "[SEP", "[[SEP]]", "##ing", "##", "[unused5]", "don't", "e-mail", "x@y.org", "3.14", "1,000",
    "New York", "new  york", "newyork", "tokenize", "Tokenized", "日本", "日本語", "カラオケ", "한국어", "Ελλάδα ΟΔΟΣ", "İstanbul",
    "STRASSE ß ẞ", "ǅ ŉ ﬁ", "Привет", "नमस्ते", "ภาษาไทย", "العربية", "עִבְרִית", "𝒳𝟙", "👩‍👩‍👧‍👦", "🇩🇪", "☺️", "🤷🏽‍♀️",
    "é", "e\u0301", "o\u0302\u0323", "\u0301", "\u0344", "\u0f73\u0f71", "\u0958", "\ufeff", "\u200b", "\u00ad", "\u202e",
    "\0", "\x01", "\x1c", "\x7f", "\x85", "\ufffd", "\ue000", "\t", "\n", "\r\n", " ", "  ", "\u00a0", "\u2003", "\u2028",
    "\u3000", "\u1680", "\u180e", "¿", "«»", "…", "—", "€", "™", "½", "²", "¼", "٣", "x" * 100, "x" * 101, "ab" * 90,
    "é" * 100, "é" * 101, "日" * 120, "e\u0301" * 60, "\u0301" * 40,
]


def fixed():
    yield from ["", " ", "   \t\n ", "\0\0", "a", "[SEP]", "[SEP][SEP]", " [SEP] ", "[CLS] a [SEP]", "\u0301", "\ufeff"]
    yield from PIECES
    for count in range(250, 262):
        yield "word " * count
        yield "[MASK]" * count
        yield "a " * (count - 1) + "tokenizers"
        yield "a " * count + "[SEP]"
    yield "a " * 253 + "x" * 101
    yield "unaffable" * 40
    yield "." * 400


def texts(vocabulary, count):
    yield from fixed()
    choice = random.Random(19)
    words = [word.removeprefix("##") for word in vocabulary]
    for number in range(count):
        parts = []
        for _ in range(choice.randrange(1, 400 if number % 10 == 0 else 40)):
            kind = choice.randrange(10)
            if kind < 4:
                word = choice.choice(words)
                parts.append(choice.choice([word, word, word.upper(), word.title()]))
            elif kind < 6:
                parts.append(choice.choice(PIECES))
            else:
                first, last = choice.choice(SCRIPTS)
                parts.append("".join(chr(choice.randint(first, last)) for _ in range(choice.randrange(1, 12))))
            parts.append(choice.choice([" ", " ", " ", "", "-", ", "]))
        yield "".join(parts)


def variants(tokenizer, vocabulary_text):
    """Other tokenizers: the files of a folder by name."""
    def changed(part, **settings):
        other = copy.deepcopy(tokenizer)
        other[part].update(settings)
        return {"tokenizer.json": json.dumps(other)}

    yield {"vocab.txt": vocabulary_text}
    cased = {"do_lower_case": False, "tokenize_chinese_chars": False, "unk_token": "the", "model_max_length": 99}
    yield {"vocab.txt": vocabulary_text, "tokenizer_config.json": json.dumps(cased)}
    yield {"vocab.txt": vocabulary_text, "tokenizer_config.json": json.dumps({"strip_accents": False})}
    yield changed("normalizer", lowercase=False)
    yield changed("normalizer", lowercase=False, strip_accents=True)
    yield changed("normalizer", strip_accents=False)
    yield changed("normalizer", clean_text=False)
    yield changed("normalizer", handle_chinese_chars=False)
    yield changed("model", max_input_chars_per_word=5)
    yield changed("model", continuing_subword_prefix="")
    yield changed("model", continuing_subword_prefix="un", unk_token="[MASK]")
    for kind in ["BertProcessing", "RobertaProcessing"]:
        other = copy.deepcopy(tokenizer)
        other["post_processor"] = {"type": kind, "cls": ["a", 1037], "sep": ["[MASK]", 103]}
        if kind == "RobertaProcessing":
            other["post_processor"].update(trim_offsets=True, add_prefix_space=False)
        yield {"tokenizer.json": json.dumps(other)}
    other = copy.deepcopy(tokenizer)
    contents = ["New York", "日本", "É", " x", "x", "X", "tok", "token", "Tokenize", "[", "##ing", "İ", "the", "\u0301"]
    for at, content in enumerate(contents + ["NEW", "e\u0301é", "a b", "e-", "ß"]):
        known = other["model"]["vocab"].get(content)
        fresh = max(len(other["model"]["vocab"]), 1 + max(token["id"] for token in other["added_tokens"]))
        other["added_tokens"].append({
            "id": fresh if known is None else known, "special": at % 3 == 0, "content": content, "single_word": False,
            "lstrip": at % 2 == 0, "rstrip": at % 5 < 2, "normalized": at >= 8 and content != "\u0301",
        })
    yield {"tokenizer.json": json.dumps(other)}
    del other["model"]["type"]
    other["normalizer"].update(clean_text=False, strip_accents=False)
    yield {"tokenizer.json": json.dumps(other)}


def load(folder):
    if (folder / "tokenizer.json").exists():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    return tokenizers.BertWordPieceTokenizer(
        str(folder / "vocab.txt"), unk_token=config.get("unk_token", "[UNK]"),
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"), lowercase=config.get("do_lower_case", True),
    )


def show(**line):
    print(json.dumps(line))


def compare(folder, count):
    tokenizer = load(folder)
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.no_padding()
    show(folder=str(folder), max_tokens=MAX_TOKENS)
    for text in texts(sorted(tokenizer.get_vocab()), count):
        show(text=text, ids=tokenizer.encode(text).ids)
    return tokenizer


def is_selected(point):
    """Returns whether a tokenizer could treat a code point unlike its neighbours. Both ends of all blocks are among them."""
    character = chr(point)
    return (
        point < 0x3000
        or point % 32 in (0, 31)
        or unicodedata.category(character) not in ("Lo", "So", "Cn", "Co")
        or unicodedata.normalize("NFD", character) != character
    )


def compare_code_points(tokenizer, points):
    """Prints one line for neighbours with the same ids."""
    run = None
    for start in range(0, len(points), 10_000):
        chunk = points[start:start + 10_000]
        encoded = tokenizer.encode_batch(["a{0}b {0}".format(chr(point)) for point in chunk])
        for point, encoding in zip(chunk, encoded):
            ids = encoding.ids
            if run and run["ids"] == ids and point == run["last"] + 1:
                run["last"] = point
                continue
            if run:
                show(**run)
            run = {"first": point, "last": point, "ids": ids}
    show(**run)


def main():
    folder, scratch = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    all_code_points = "--all-code-points" in sys.argv
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    selected = [point for point in points if is_selected(point)]
    tokenizer = compare(folder, 1_200)
    size = 10_000_000 if all_code_points else 1_000_000
    for text in ["lorem ipsum [SEP", "x", " "]:
        times = size // len(text)
        show(repeat=text, times=times, ids=tokenizer.encode(text * times).ids)
    compare_code_points(tokenizer, points if all_code_points else selected)
    described = json.loads((folder / "tokenizer.json").read_text())
    for number, files in enumerate(variants(described, (folder / "vocab.txt").read_text())):
        other = scratch / str(number)
        other.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (other / name).write_text(content)
        tokenizer = compare(other, 150)
        if all_code_points:
            compare_code_points(tokenizer, selected)


main()
