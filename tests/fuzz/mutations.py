"""Ways to spoil a file: its bytes, its words, its lines, its JSON nodes, the values of its table, its place on disk.

Covered: what editors, exporters, copies cut short and strangers do to annotation files. Not covered: learning from
coverage; every draw is blind, but knows the file's structure. All randomness comes from the generator that is passed.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Random = random.Random
Mutation = Callable[[Random, bytes], bytes]

# fmt: off
WORDS = [
    *("NaN", "nan", "Infinity", "-inf", "1e999", "-1e308", "1e-400", "null", "true", "None", "0x10"),
    *("0", "-0", "-1", "1,5", "1_0", "1.", ".5", "+3", "1e9", "1000000000", "2147483648", "-5", "0.1"),
    *("9" * 400, "9" * 5000, "1" * 18, "4294967296", "99999999999999999999", "1:2", "½", "٣", "²"),
    *("", " ", "\t", "\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\0", "\x1b[31m"),
    *("\ufeff", "\u202e", "\u200b", "é", "e\u0301", "例", "\U0001f600", "\x7f", "\\ud800", "\\u0000"),
    *("../", "..\\", "/etc/passwd", "C:\\x", "//host/x", ".", "~", "a/../../b.png", "x" * 5000, "%s"),
    *("{", "}", "[", "]", "[]", "{}", '"', "'", "'''", ",", ";", ":", "<", ">", "&", "&amp;", "&#0;"),
    *("<!DOCTYPE a>", "<![CDATA[", "<object>", "</object>", "&a", "*a", "<<", "- ", "? ", "!!int x"),
    *("!!python/object:os.system x", "!!timestamp 2001-99-99", "!!binary x", "--- ", "${HOME}", "${x}"),
]
NODES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 3, 10**9, 10**18, 2**63, 10**400, float("nan"), float("inf")),
    *(1e308, -1e308, "", " ", "1", "x", "\ud800", "a\nb", "\x1b[2J", "\u202e", "\u2028", "../x", "\0"),
    *([], {}, [[]], [None], [1, 2, 3], [[1, 1, 5, 1, 5, 5]], {"size": [32, 40]}, ["x"] * 5, "x" * 5000),
    *({"size": [10**9, 10**9], "counts": [0, 10**18]}, {"size": [32, 40], "counts": "0" * 99}),
    *({"size": [32, 40], "counts": [0, 1, -1, 1280]}, [0, 0, 10**9, 10**9], [1e9, 1e9, 1e9, 1e9]),
    *([[0, 0, 1e9, 0, 1e9, 1e9]], {"size": [1, 10**18], "counts": [0, 10**18]}),
]
ODD_NAMES = [
    *("ünï cöde.png", " lead.png", "trail .png", "a\nb.png", "a\tb.png", "\x1b[31mred.png", "\u202egnp.x.png"),
    *("caf\udce9.png", "-rf.png", "#1.png", "a,b;c.csv", "%s.png", "x" * 240, ".hidden.png", "NUL.png"),
    *("\u2028.png", "e\u0301.png", "é.png", "PNG", "a.b.c.PNG", "\x7f.png", "a'b\".png", "\\.png", "*.png"),
]
# fmt: on
TOKEN = re.compile(r"[\w.+-]+|\s+|.", re.DOTALL)


def truncated(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def flipped(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data or b"x")
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def cut_out(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, len(data))
    return data[:start] + data[end:]


def repeated(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, len(data))
    return data[:end] + data[start:end] * rng.choice([1, 1, 2, 50]) + data[end:]


def inserted(rng: Random, data: bytes) -> bytes:
    pieces = [word.encode("utf-8") for word in WORDS]
    pieces += [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 8, b"\r\n"]
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(pieces) + data[at:]


def recoded(rng: Random, data: bytes) -> bytes:
    """The same text as another program saves it."""
    text = data.decode("utf-8", "replace")
    ways: list[Callable[[], bytes]] = [
        lambda: text.encode("utf-8-sig"),
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-32"),
        lambda: text.encode("latin-1", "replace"),
        lambda: text.replace("\n", "\r\n").encode(),
        lambda: text.replace("\n", "\r").encode(),
        lambda: text.replace(".", ",").encode(),
        lambda: text.replace(",", ";").encode(),
        lambda: text.replace('"', "'").encode(),
        lambda: text.swapcase().encode(),
        lambda: b"\xef\xbb\xbf" * 2 + data,
    ]
    return rng.choice(ways)()


def other_words(rng: Random, data: bytes) -> bytes:
    """Some tokens replaced by bad ones, doubled, dropped or exchanged."""
    tokens = TOKEN.findall(data.decode("utf-8", "replace")) or ["x"]
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        action = rng.randrange(6)
        if action < 3:
            tokens[at] = rng.choice(WORDS)
        elif action == 3:
            tokens[at] *= rng.choice([0, 2, 3])
        else:
            tokens[at], tokens[other] = tokens[other], tokens[at]
    return "".join(tokens).encode("utf-8", "surrogatepass")


def other_lines(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    action = rng.randrange(5)
    if action == 0:
        lines.insert(at, lines[other])
    elif action == 1:
        del lines[at]
    elif action == 2:
        rng.shuffle(lines)
    elif action == 3:
        lines[at] = lines[at].rstrip() + lines[other]
    else:
        lines[at] = lines[at][: len(lines[at]) // 2] + b"\n"
    return b"".join(lines)


# fmt: off
def whole(rng: Random, data: bytes) -> bytes:
    """Something altogether different, deep, long or empty."""
    return rng.choice([
        *(b"", b" ", b"\n" * 50, b"\0" * 100, b"null", b"[]", b"{}", b"7", b'"x"', b"NaN"),
        *(b"[" * 100_000, b'{"a":' * 20_000, b"<a>" * 20_000, b"- " * 2_000, b"{" * 2_000),
        *(b"1" * 10_000, b"a" * 200_000, b"," * 50_000, b'"' * 3_001, b"a: &a [*a, *a]"),
        *(b"\x89PNG\r\n\x1a\n", b"PAR1", b"PAR1\0\0\0\0PAR1", b"PK\3\4", b"PK\5\6" + b"\0" * 18),
        *(_alias_bomb(rng.choice([3, 9, 25])), rng.randbytes(rng.randrange(300)), data + data),
    ])
# fmt: on


def other_nodes(rng: Random, data: bytes) -> bytes:
    """A JSON document in which nodes have other types, are gone, or are there twice."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return other_words(rng, data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        try:
            document = _with_other_node(rng, document)
        except RecursionError:
            break
    try:
        text = json.dumps(document, ensure_ascii=rng.random() < 0.8)
    except RecursionError:
        return whole(rng, data)
    return text.encode("utf-8", "surrogatepass")


def _with_other_node(rng: Random, document: Any) -> Any:
    places = _places(document)
    if not places:
        return copy.deepcopy(rng.choice(NODES))
    parent, key = rng.choice(places)
    action = rng.randrange(10)
    if action < 6:
        parent[key] = copy.deepcopy(rng.choice(NODES))
    elif action == 6:
        del parent[key]
    elif action == 7:
        parent[key] = _deep(rng.choice([3, 100, 400]), parent[key])
    elif action == 8 and isinstance(parent, list):
        parent.insert(key, parent[key])
    else:
        other, place = rng.choice(places)
        parent[key] = copy.deepcopy(other[place])
    return document


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in the document."""
    waiting, found = [document], []
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict | list):
            keys = list(here) if isinstance(here, dict) else range(len(here))
            found += [(here, key) for key in keys]
            waiting += [here[key] for key in keys]
    return found


def _deep(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _alias_bomb(levels: int) -> bytes:
    """YAML of a few lines that is 9 ** levels values long when written out."""
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"names: *a{levels - 1}", f"name: *a{levels - 1}"]).encode()


def _span(rng: Random, size: int) -> tuple[int, int]:
    start = rng.randrange(size + 1)
    return start, min(size, start + rng.choice([1, 2, 4, 16, 64, 500]))


OF_BYTES: list[Mutation] = [truncated, flipped, flipped, cut_out, repeated, inserted, whole]
OF_TEXT: list[Mutation] = [*OF_BYTES, recoded, other_words, other_words, other_words, other_lines]
OF_JSON: list[Mutation] = [*OF_TEXT, *([other_nodes] * 12)]
BINARY = frozenset({".png", ".jpg", ".parquet", ".npz", ".safetensors", ".tif"})


def spoilt(rng: Random, name: str, data: bytes) -> bytes:
    """The content of a file of that name, spoilt once, now and then several times over."""
    suffix = Path(name).suffix
    ways = OF_BYTES if suffix in BINARY else OF_JSON if suffix == ".json" else OF_TEXT
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = rng.choice(ways)(rng, data)
    return data


def misplace(rng: Random, path: Path) -> None:
    """Something odd about the file itself: its name, a link, a folder in its place, nothing at all."""
    action = rng.randrange(9)
    if action < 3:
        odd = path.with_name(rng.choice(ODD_NAMES))
        path.rename(odd if rng.random() < 0.5 else odd.with_suffix(path.suffix))
        return
    path.unlink()
    if action == 3:
        path.mkdir()
    elif action == 7:
        os.mkfifo(path)
    elif action == 4:
        path.symlink_to(path.name)
    elif action == 5:
        path.symlink_to(rng.choice(["/etc/hostname", "..", "nowhere", "/dev/zero", "/"]))
    elif action == 6:
        (path.parent / f"{path.name}.d").symlink_to(path.parent, target_is_directory=True)
