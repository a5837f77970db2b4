# SPDX-License-Identifier: Apache-2.0
"""The mutants of a C++ source: each is one small change that a test should notice.

Which changes: those that a tired hand makes, and that leave a program which still compiles and mostly works.

  boundary    < <= > >= each become their neighbour       equality    == and != become each other
  arithmetic  + - swapped, also += -= and ++ --, * /      logic       && || swapped, ! and a unary minus dropped
  constant    n + 1 and n - 1; past 100, twice and half   condition   of an if: always, never; of a while: never
  bound       min and max exchanged; clamp loses either   omission    an expression statement is left out
  neighbour   names that are easily taken for each other: lower_bound and upper_bound, all_of and any_of, ...

Not touched: comments, literals of text, includes, assertions, planted bugs (oracle/canary.hpp), attributes, template parameters,
and statements that only reserve room. A literal of more than eight hexadecimal digits is somebody's magic number.
"""

import dataclasses

from cpp_text import OPENING, Source

SWAPS = {
    "<": ("boundary", "<="), "<=": ("boundary", "<"), ">": ("boundary", ">="), ">=": ("boundary", ">"),
    "==": ("equality", "!="), "!=": ("equality", "=="),
    "+": ("arithmetic", "-"), "-": ("arithmetic", "+"), "*": ("arithmetic", "/"), "/": ("arithmetic", "*"),
    "+=": ("arithmetic", "-="), "-=": ("arithmetic", "+="),
    "&&": ("logic", "||"), "||": ("logic", "&&"),
}
NEIGHBOURS = {
    "lower_bound": "upper_bound", "upper_bound": "lower_bound", "all_of": "any_of", "any_of": "all_of",
    "saturating_add": "saturating_sub", "saturating_sub": "saturating_add", "front": "back", "back": "front",
    "earliest": "latest", "latest": "earliest", "floor": "ceiling", "ceiling": "floor",
}
EXTREMES = {"min": "max", "max": "min"}
# What no mutant may stand in: the arguments of these.
QUIET_CALLS = ("assert", "static_assert", "planted", "alignas", "sizeof", "decltype")
# An expression before one of these is over, so what follows is a sign or a declarator, not a binary operator.
BEFORE_OPERAND = ("return", "case", "throw", "else", "co_return", "=", "(", ",", "{", "[", "?", ":", "<", ">", "&&", "||", "!")
# A statement that begins with one of these is no expression, or its absence changes nothing but the speed.
NO_EXPRESSION = ("return", "if", "for", "while", "do", "switch", "case", "default", "break", "continue", "goto", "throw", "try",
                 "catch", "using", "typedef", "template", "static", "static_assert", "assert", "const", "constexpr", "auto", "public",
                 "private", "protected", "friend", "namespace", "else", "delete", "new", "struct", "class", "enum", "union")
ONLY_ROOM = ("reserve", "shrink_to_fit")
MAGIC_DIGITS = 8
STEP_UP_TO = 100


@dataclasses.dataclass(frozen=True, order=True)
class Mutant:
    """Replaces text[start:end] by `becomes`; no line moves."""

    start: int
    end: int
    becomes: str
    kind: str

    def apply(self, text):
        # Lines stay where they are: an assertion knows its own.
        lost = text.count("\n", self.start, self.end) - self.becomes.count("\n")
        return text[:self.start] + self.becomes + "\n" * lost + text[self.end:]


def mutants_of(text):
    """All mutants of a source, in their order in the text."""
    source = Source(text)
    quiet = _quiet_tokens(source)
    found = set()
    for i, token in enumerate(source.tokens):
        if i in quiet:
            continue
        if token.kind == "number":
            found.update(_of_number(token))
        elif token.kind == "word":
            found.update(_of_word(source, i, quiet))
        elif token.kind == "punct":
            found.update(_of_operator(source, i, quiet))
    found.update(_omissions(source, quiet))
    return sorted(found)


def describe(mutant, text):
    """(what stood there, what stands there now), each on one line."""
    was = " ".join(text[mutant.start:mutant.end].split())
    return was, " ".join(mutant.becomes.split()) or "nothing"


def _quiet_tokens(source):
    quiet = set()
    for i, token in enumerate(source.tokens):
        text, following = token.text, source.text_of(i + 1)
        if token.kind == "word" and text in QUIET_CALLS and following == "(":
            quiet.update(range(i, source.partner[i + 1] + 1))
        if text == "planted":
            first = i
            while source.text_of(first - 1) in ("::", "canary", "!"):
                first -= 1
            # Whatever joins it to the rest of its condition is a part of the planted bug.
            quiet.update((first - 1, source.partner[i + 1] + 1) if following == "(" else ())
            quiet.update(range(first, i))
        if text == "[" and following == "[":
            quiet.update(range(i, source.partner[i] + 1))
        if text == "template" and following == "<":
            quiet.update(range(i, _end_of_template(source, i + 1) + 1))
        if text == "operator":
            quiet.add(i + 1)
    return quiet


def _end_of_template(source, i):
    depth = 0
    while True:
        depth += {"<": 1, ">": -1, ">>": -2}.get(source.text_of(i), 0)
        if depth <= 0:
            return i
        i += 1


def _of_number(token):
    digits = token.text.replace("'", "")
    body = digits.rstrip("uUlLzZ")
    suffix = digits[len(body):]
    try:
        value = int(body, 8 if body.startswith("0") and body.isdigit() and len(body) > 1 else 0)
    except ValueError:
        return
    if body[:2] in ("0x", "0X") and len(body) - 2 > MAGIC_DIGITS:
        return
    others = (value + 1, value - 1) if value <= STEP_UP_TO else (value * 2, value // 2)
    for other in others:
        if other >= 0:
            yield Mutant(token.start, token.end, f"{other}{suffix}", "constant")


def _of_word(source, i, quiet):
    token = source.tokens[i]
    if token.text in ("true", "false"):
        yield Mutant(token.start, token.end, "false" if token.text == "true" else "true", "constant")
    elif token.text in ("if", "while") and source.text_of(i + 1) == "(":
        yield from _of_condition(source, i, quiet)
    elif source.text_of(i - 1) in ("::", ".", "->"):
        called = source.text_of(i + 1) in ("(", "<")
        if token.text in EXTREMES and source.text_of(i - 1) == "::" and called:
            yield Mutant(token.start, token.end, EXTREMES[token.text], "bound")
        elif token.text in NEIGHBOURS:
            yield Mutant(token.start, token.end, NEIGHBOURS[token.text], "neighbour")
        elif token.text == "clamp" and called:
            yield from _of_clamp(source, i)


def _of_condition(source, i, quiet):
    opening = i + 1
    first, closing = opening + 1, source.partner[opening]
    declared = None
    for j in range(first, closing):
        if source.text_of(j) == ";":
            first, declared = j + 1, None
        elif source.text_of(j) == "=" and declared is None:
            declared = j
    if first in quiet and closing - 1 in quiet:
        return  # a planted bug, alone
    # What a condition declares must stay declared.
    kept = source.slice(first, closing - 1) + "; " if declared is not None else ""
    start, end = source.tokens[first].start, source.tokens[closing - 1].end
    if source.text_of(i) == "if":
        yield Mutant(start, end, kept + "true", "condition")
    yield Mutant(start, end, kept + "false", "condition")


def _of_clamp(source, i):
    opening = i + 1
    if source.text_of(opening) == "<":
        opening = _end_of_template(source, opening) + 1
    arguments = source.arguments(opening)
    if len(arguments) != 3:
        return
    value, low, high = (source.slice(*a) for a in arguments)
    named = source.text[source.tokens[i].end:source.tokens[opening].start]
    start, end = source.tokens[i].start, source.tokens[source.partner[opening]].end
    yield Mutant(start, end, f"max{named}({value}, {low})", "bound")
    yield Mutant(start, end, f"min{named}({value}, {high})", "bound")


def _of_operator(source, i, quiet):
    token = source.tokens[i]
    before = source.tokens[i - 1] if i else None
    if token.text in SWAPS and source.spaced(i) and before is not None and before.text not in BEFORE_OPERAND:
        if "string" in (before.kind, source.tokens[i + 1].kind) and token.text == "+":
            return  # a text, which has no difference
        kind, other = SWAPS[token.text]
        yield Mutant(token.start, token.end, other, kind)
    elif token.text == "!" and i + 1 not in quiet:
        yield Mutant(token.start, token.end, "", "logic")
    elif token.text == "-" and not source.spaced(i) and before is not None and before.kind != "number":
        yield Mutant(token.start, token.end, "", "logic")
    elif token.text in ("++", "--") and source.in_function(i) and not source.in_brackets(i):
        yield Mutant(token.start, token.end, "--" if token.text == "++" else "++", "arithmetic")


def _omissions(source, quiet):
    """Each expression statement, left out."""
    for i, token in enumerate(source.tokens):
        if i in quiet or not source.in_function(i) or not _begins_statement(source, i):
            continue
        end = end_of_expression_statement(source, i)
        if end is not None:
            yield Mutant(token.start, source.tokens[end].end, ";", "omission")


def _begins_statement(source, i):
    before = source.text_of(i - 1)
    if before in (";", "{", "}", "else", "do"):
        if before == "{" and source.opens[i - 1] != "block":
            return False
        around = source.enclosing[i]
        return bool(around) and source.opens[around[-1]] == "block" and not source.in_brackets(i)
    if before != ")":
        return before == ":" and source.text_of(i - 3) in ("case", "::") and not source.in_brackets(i)
    return source.text_of(source.partner[i - 1] - 1) in ("if", "for", "while", "switch")


def end_of_expression_statement(source, i):
    """The index of its semicolon, or None if a declaration or something else begins at i."""
    first = source.tokens[i]
    if first.text not in ("++", "--", "*", "(") and (first.kind != "word" or first.text in NO_EXPRESSION):
        return None
    j, called = i, first.text in ("++", "--")
    while source.text_of(j) in ("++", "--", "*"):
        j += 1
    while True:
        text = source.text_of(j)
        if text in ("(", "["):
            called = called or text == "("
            j = source.partner[j] + 1
        elif text == "<" and not source.spaced(j):
            j = _end_of_template(source, j) + 1
        elif source.tokens[j].kind == "word" and (j == i or source.text_of(j - 1) in ("::", ".", "->", "++", "--", "*", "template")):
            if text in ONLY_ROOM:
                return None
            j += 1
        elif text in ("::", ".", "->"):
            j += 1
        else:
            break
    if not (text == ";" and called or text in ("=", "+=", "-=", "*=", "/=", "%=", "|=", "&=", "^=", "<<=", ">>=", "++", "--", "<<")):
        return None
    while source.text_of(j) != ";":
        j = source.partner[j] + 1 if source.text_of(j) in OPENING else j + 1
    return j
