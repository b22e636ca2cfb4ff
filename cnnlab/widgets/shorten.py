"""Short names for the variables of a script, which say nothing to a browser: an output is a seventh smaller.

For scripts as ours are: ``const``, ``let`` and arrow functions, no ``var``, ``function`` or labels. One name gets one
short name wherever it stands, so scopes need not be told apart; properties, keys and text stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from string import ascii_letters

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


def _names(tokens: list[str]) -> Iterator[tuple[int, int, bool, bool]]:
    """Where variables stand: (place, in which definition, whether as an object's shorthand, whether declared there)."""
    solid = [i for i, token in enumerate(tokens) if not token.isspace()]
    text = [tokens[i] for i in solid] + [""]
    ends: dict[int, int] = {}
    opened: list[int] = []
    for n, token in enumerate(text[:-1]):
        if _closes(token):
            ends[opened.pop()] = n
        if _opens(token):
            opened.append(n)
    # Of each bracket that is open: whether it is an object or its pattern, and whether names in it are declared.
    within: list[tuple[bool, bool]] = [(False, False)]
    definition = 0
    depth = 0  # at which a const or let lists its names; 0: none does
    for n, token in enumerate(text[:-1]):
        before, after = text[n - 1] if n else "", text[n + 1]
        is_object, declares = within[-1]
        listed = before in ("const", "let") or (before == "," and depth == len(within))
        if _closes(token):
            within.pop()
            depth = min(depth, len(within)) if depth <= len(within) else 0
        if _opens(token):
            arrow = token == "(" and text[ends[n] + 1] == "=>"
            pattern = token in ("[", "{") and (listed or (declares and before != "="))
            within.append((token == "{" and before not in _BEFORE_BLOCK, arrow or pattern))
        elif token in ("const", "let"):
            depth = len(within)
            definition += depth == 1
        elif token == ";" and depth == len(within):
            depth = 0
        elif _NAME.match(token) and token not in _KEPT and before not in (".", "?."):
            first = is_object and before in ("{", ",")
            accessor = is_object and before in ("get", "set") and text[n - 2] in ("{", ",")
            if not accessor and not (first and after in (":", "(")):
                # What a parameter is without a value, as JSON in (key = JSON.stringify(x)) => 1, is declared elsewhere.
                declared = listed or (declares and before != "=") or after == "=>"
                yield solid[n], definition, first and after in (",", "}", "="), declared


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
    """The script with short names for what it declares; ``start`` and ``explore`` keep theirs.

    A name defined at the left margin is the same everywhere; the others are given anew in each definition, so that
    most have one letter.
    """
    tokens = _tokens(text)
    found = [*_names(tokens)]
    starts = {definition: tokens[i] for i, definition, _, _ in reversed(found)}
    margin = set(starts.values())
    ours = {(definition, tokens[i]) for i, definition, _, declared in found if declared} | {
        (0, name) for name in margin
    }
    places: dict[tuple[int, str], list[int]] = {}
    for i, definition, _, _ in found:
        owner = (0 if tokens[i] in margin else definition, tokens[i])
        if owner in ours:
            places.setdefault(owner, []).append(i)
    taken = _KEPT | set(tokens) - {name for _, name in ours}
    names = [new for size in (1, 2) for new in map("".join, product(ascii_letters, repeat=size)) if new not in taken]
    # A capital and a letter at the margin: the single letters are left to all others, the same over and over.
    wide = [new for new in names if len(new) == 2 and new[0].isupper()]
    narrow = [new for new in names if new not in wide]
    free = {definition: iter(narrow if definition else wide) for definition, _ in ours}
    shorthand = {i for i, _, is_shorthand, _ in found if is_shorthand}
    for (definition, name), where in sorted(places.items(), key=lambda item: -len(item[1])):
        new = next(free[definition])
        for i in where:
            tokens[i] = f"{name}:{new}" if i in shorthand else new
    return _joined(tokens)
