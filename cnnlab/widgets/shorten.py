"""Short names for the variables of a script, which say nothing to a browser: an output is a seventh smaller.

For scripts as ours are: ``const``, ``let`` and arrow functions, no ``var``, ``function`` or labels. The variables of a
function share the short names of another's where neither sees the other; properties, keys and text stay.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from string import ascii_letters

__all__ = ["shorten"]

# Text, numbers, names, what opens and closes, and all else. A regular expression is told from a division by what
# stands before it.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\d[\w.]*|[A-Za-z_$][\w$]*|=>|\.\.\.|\?\.(?!\d)|\+\+|--|\s+|.', re.DOTALL)
_REGEX = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/[a-z]*")
_TEXT = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*", re.DOTALL)
_NAME = re.compile(r"[a-z_$][\w$]*|[A-Z][A-Z0-9_]*$")  # Math and Object are not ours
_KEPT = {
    *("document", "window", "google", "console", "performance", "location", "navigator", "undefined"),
    *("const", "let", "if", "else", "for", "of", "in", "while", "do", "return", "new", "typeof", "instanceof", "void"),
    *("delete", "true", "false", "null", "this", "break", "continue", "switch", "case", "default", "try", "catch"),
    *("finally", "throw", "async", "await", "yield", "get", "set", "start", "explore"),
}
_BEFORE_BLOCK = frozenset(["", "=>", ")", "else", "try", "finally", "do", ";", "{", "}"])
_BEFORE_REGEX = frozenset([*"(,=:[!&|?{};", "", "=>", "return"])


def _tokens(text: str) -> list[str]:
    """The script's tokens. A template with code in it is `text${, the code's tokens, }text${ or }text`."""
    found: list[str] = []
    in_template: list[bool] = []  # for each brace that is open, whether a template's text goes on after it
    at, before = 0, ""
    while at < len(text):
        regex = text[at] == "/" and before in _BEFORE_REGEX
        token = (_REGEX if regex else _TOKEN).match(text, at)[0]
        if token == "{":
            in_template.append(False)
        if token == "`" or (token == "}" and in_template.pop()):
            said = _TEXT.match(text, at + 1)[0]
            ends = text.startswith("`", at + 1 + len(said))
            in_template += [] if ends else [True]
            token += said + ("`" if ends else "${")
        at += len(token)
        found.append(token)
        before = before if token.isspace() else ("{" if _opens(token) else token)
    return found


def _opens(token: str) -> bool:
    return token in ("(", "[", "{") or (token[:1] in ("`", "}") and token.endswith("${"))


def _closes(token: str) -> bool:
    return token in (")", "]") or token[:1] == "}"


@dataclass(frozen=True)
class _Name:
    """Where a variable stands: in which function, whether as an object's shorthand, whether it is declared there."""

    place: int
    scope: int
    shorthand: bool
    declared: bool


def _names(tokens: list[str]) -> tuple[list[_Name], list[int]]:
    """All variables of a script, and for each function the one around it; 0 is the margin."""
    solid = [i for i, token in enumerate(tokens) if not token.isspace()]
    text = [tokens[i] for i in solid] + [""]
    ends: dict[int, int] = {}
    opened: list[int] = []
    for n, token in enumerate(text[:-1]):
        if _closes(token):
            ends[opened.pop()] = n
        if _opens(token):
            opened.append(n)

    def last(n: int) -> int:
        """Where the arrow function whose body begins here ends."""
        if text[n] == "{":
            return ends[n]
        while text[n] not in (",", ";", "") and not _closes(text[n]):
            while _opens(text[n]):
                n = ends[n]
            n += 1
        return n - 1

    found: list[_Name] = []
    around = [0]
    scopes = [(0, len(text))]  # those that are open, and where they end
    # Of each bracket that is open: whether it is an object or its pattern, and whether names in it are declared.
    within: list[tuple[bool, bool]] = [(False, False)]
    depth = 0  # at which a const or let lists its names; 0: none does
    for n, token in enumerate(text[:-1]):
        before, after = text[n - 1] if n else "", text[n + 1]
        while n > scopes[-1][1]:
            scopes.pop()
        is_object, declares = within[-1]
        listed = before in ("const", "let") or (before == "," and depth == len(within))
        if _closes(token):
            within.pop()
            depth = depth if depth <= len(within) else 0
        if _opens(token):
            arrow = token == "(" and text[ends[n] + 1] == "=>"
            if arrow:
                around.append(scopes[-1][0])
                scopes.append((len(around) - 1, last(ends[n] + 2)))
            pattern = token in ("[", "{") and (listed or (declares and before != "="))
            within.append((token == "{" and before not in _BEFORE_BLOCK, arrow or pattern))
        elif token in ("const", "let"):
            depth = len(within)
        elif token == ";" and depth == len(within):
            depth = 0
        elif _NAME.match(token) and token not in _KEPT and before not in (".", "?."):
            first = is_object and before in ("{", ",")
            accessor = is_object and before in ("get", "set") and text[n - 2] in ("{", ",")
            if not accessor and not (first and after in (":", "(")):
                # What a parameter is without a value, as JSON in (key = JSON.stringify(x)) => 1, is declared elsewhere.
                declared = listed or (declares and before != "=")
                found.append(_Name(solid[n], scopes[-1][0], first and after in (",", "}", "="), declared))
    return found, around


def _joined(tokens: list[str]) -> str:
    """The tokens as text: constants that follow each other share one const, one parameter needs no brackets, and
    spaces stand only between words and between signs."""
    solid = [i for i, token in enumerate(tokens) if not token.isspace()]
    constants = [tokens[0] == "const"]  # for each bracket that is open, whether the statement in it is a const
    for a, b, c, d in zip(solid, solid[1:], solid[2:], [*solid[3:], solid[-1]]):
        if _closes(tokens[a]):
            constants.pop()
        if _opens(tokens[a]):
            constants.append(tokens[b] == "const" and tokens[a] == "{")
            if (tokens[a], tokens[c], tokens[d]) == ("(", ")", "=>") and re.match(r"[A-Za-z_$]", tokens[b]):
                tokens[a] = tokens[c] = ""
                constants.pop()
        elif tokens[a] == ";" and tokens[b] == "const" and constants[-1]:
            tokens[a], tokens[b] = ",", ""
        elif tokens[a] == ";":
            constants[-1] = tokens[b] == "const"
    text = ""
    for token in tokens:
        if token and not token.isspace():
            text += (" " if re.match(r"[\w$]{2}|\+\+|--", text[-1:] + token[0]) else "") + token
    return text


def shorten(text: str) -> str:
    """The script with short names for what it declares; ``start`` and ``explore`` keep theirs."""
    tokens = _tokens(text)
    found, around = _names(tokens)
    declared = {(name.scope, tokens[name.place]) for name in found if name.declared}
    places: dict[tuple[int, str], list[_Name]] = {}
    seen_in: dict[tuple[int, str], set[int]] = {}  # the functions that a variable reaches into
    foreign = set(tokens) - {name for _, name in declared}
    for name in found:
        called, scope, passed = tokens[name.place], name.scope, {name.scope}
        while scope and (scope, called) not in declared:
            scope = around[scope]
            passed.add(scope)
        if (scope, called) in declared:
            places.setdefault((scope, called), []).append(name)
            seen_in.setdefault((scope, called), set()).update(passed)
        else:
            foreign.add(called)
    # Letters that the rest is full of come first: compressed, they take fewer bits. At the margin names have two.
    rest = Counter("".join(foreign))
    letters = sorted(ascii_letters, key=lambda letter: -rest[letter])
    short = [
        new for size in (1, 2) for new in map("".join, product(letters, repeat=size)) if new not in _KEPT | foreign
    ]
    taken: list[set[str]] = [set() for _ in around]
    for owner, where in sorted(places.items(), key=lambda item: (item[0][0], -len(item[1]))):
        new = next(
            new
            for new in short
            if (owner[0] or len(new) > 1) and not any(new in taken[scope] for scope in seen_in[owner])
        )
        for scope in seen_in[owner]:
            taken[scope].add(new)
        for name in where:
            tokens[name.place] = f"{owner[1]}:{new}" if name.shorthand else new
    return _joined(tokens)
