# SPDX-License-Identifier: Apache-2.0
"""Many mutants in one program: a number, given when it starts, says which of them it is.

Compiling a source takes seconds, running its tests takes hundredths of one. So a source is compiled once with all of its mutants
inside: where a statement has some, it stands there once for each, behind `gnomon_mutant == N`. Zero is the original.

    return a < b;          {if(gnomon_mutant==7)return a <= b;return a < b;}
    if (a < b)             if ((gnomon_mutant==7?static_cast<bool>(a <= b):static_cast<bool>(a < b)))
    a = b;                 {if(gnomon_mutant==7){;}else{a = b;}}
    const int c = a + b;   const int c = gnomon_mutant==7?(a - b):(a + b);

Not every mutant can stand in a program with others: a constant that the compiler needs, a default of a member, a declaration in a
condition. Those, and those that don't compile so, are left over for a program of their own.

R. Untch, J. Offutt and M. Harrold, Mutation Analysis Using Mutant Schemata, ISSTA 1993.
"""

import bisect
import dataclasses

from cpp_text import OPENING, Source
from mutants import end_of_expression_statement

VARIABLE = "gnomon_mutant"
DECLARATION = "extern int gnomon_mutant; "
DEFINITION = """#include <cstdlib>
extern int gnomon_mutant;
int gnomon_mutant = std::getenv("GNOMON_MUTANT") == nullptr ? 0 : std::atoi(std::getenv("GNOMON_MUTANT"));
"""


@dataclasses.dataclass
class Site:
    """A statement, or a part of one, that stands there once for each of its mutants."""

    kind: str  # statement, return, condition or value
    start: int
    end: int
    mutants: list = dataclasses.field(default_factory=list)  # (number, mutant)
    inner: list = dataclasses.field(default_factory=list)


class Schema:
    """A source with mutants inside. `numbers` has each of them by its number; the others are left over."""

    def __init__(self, text, mutants):
        self.text = text
        self.source = Source(text)
        self.starts = [token.start for token in self.source.tokens]
        self.numbers = {}
        self.sites = {}
        for number, mutant in enumerate(mutants, 1):
            site = self._site_of(mutant)
            if site is not None:
                self.numbers[number] = mutant
                self.sites.setdefault(site, Site(*site)).mutants.append((number, mutant))

    def drop(self, numbers):
        for number in numbers:
            self.numbers.pop(number, None)
        for site in self.sites.values():
            site.mutants = [m for m in site.mutants if m[0] not in numbers]

    def render(self):
        """The source with all mutants inside, and [(first offset, last offset, number)] of where each stands."""
        sites = [dataclasses.replace(s, inner=[]) for s in self.sites.values() if s.mutants]
        sites.sort(key=lambda s: (s.start, -s.end))
        outermost, around = [], []
        for site in sites:
            while around and around[-1].end <= site.start:
                around.pop()
            (around[-1].inner if around else outermost).append(site)
            around.append(site)
        self._out, self._length, self._spans = [], 0, []
        self._write(DECLARATION)
        self._copy(0, len(self.text), outermost)
        return "".join(self._out), self._spans

    def _write(self, text):
        self._out.append(text)
        self._length += len(text)

    def _copy(self, start, end, sites):
        for site in sites:
            self._write(self.text[start:site.start])
            self._wrap(site)
            start = site.end
        self._write(self.text[start:end])

    def _variant(self, site, number, mutant, before, after):
        first = self._length
        self._write(before.replace("N", str(number)))
        self._write(self.text[site.start:mutant.start] + mutant.becomes + self.text[mutant.end:site.end])
        self._write(after)
        self._spans.append((first, self._length, number))

    def _wrap(self, site):
        shapes = {  # opening, before and after a mutant, before the original, closing
            "return": ("{", f"if({VARIABLE}==N)", "", "", "}"),
            "statement": ("{", f"if({VARIABLE}==N){{", "}else ", "{", "}}"),
            "condition": ("(", f"{VARIABLE}==N?static_cast<bool>(", "):", "static_cast<bool>(", "))"),
            "value": ("", f"{VARIABLE}==N?(", "):", "(", ")"),
        }
        opening, before, after, original, closing = shapes[site.kind]
        self._write(opening)
        for number, mutant in site.mutants:
            self._variant(site, number, mutant, before, after)
        self._write(original)
        self._copy(site.start, site.end, site.inner)
        self._write(closing)

    def _site_of(self, mutant):
        """(kind, start, end) of the smallest place that can stand there several times, or None."""
        s = self.source
        i = bisect.bisect_right(self.starts, mutant.start) - 1
        first = self._first_of_statement(i)
        if first is None:
            return None
        word = s.text_of(first)
        if word in ("if", "while", "for") and s.text_of(first + 1) == "(":
            return self._condition(word, first + 1, mutant)
        expression = end_of_expression_statement(s, first)
        if expression is not None:
            return self._within("statement", first, expression, mutant)
        end = self._semicolon(first)
        if end is None or word in ("static", "constexpr", "case", "default", "switch", "using", "throw", "else", "do", "goto"):
            return None
        return self._within("return", first, end, mutant) if word == "return" else self._value(first, end, mutant)

    def _within(self, kind, first, last, mutant):
        start, end = self.source.tokens[first].start, self.source.tokens[last].end
        return (kind, start, end) if start <= mutant.start and mutant.end <= end else None

    def _first_of_statement(self, i):
        s, j = self.source, i
        while j > 0:
            before = s.text_of(j - 1)
            if before == ";" and not s.in_brackets(j - 1):
                return j
            if before == "{":
                if s.opens[j - 1] == "block":
                    return j
                if s.opens[j - 1] != "value":
                    return None
            if before == "}" and s.opens[s.partner[j - 1]] == "block":
                # A lambda's body is a part of its statement; any other block ends one.
                if s.text_of(j) not in (")", ",", ";", ".", "("):
                    return j
            if before in ("else", "do"):
                return j
            if before == ":" and s.text_of(j - 3) in ("case", "::") and not s.in_brackets(j - 1):
                return j
            if before in (")", "]", "}"):
                opening = s.partner[j - 1]
                if before == ")" and not s.in_brackets(opening) and \
                        s.text_of(opening - 1) in ("if", "for", "while", "switch", "constexpr"):
                    return j
                j = opening
                continue
            j -= 1
        return None

    def _semicolon(self, first):
        s, j = self.source, first
        while j < len(s.tokens):
            text = s.text_of(j)
            if text == ";":
                return j
            if text in ("}", ")", "]"):
                return None
            j = s.partner[j] + 1 if text in OPENING else j + 1
        return None

    def _condition(self, word, opening, mutant):
        s = self.source
        closing = s.partner[opening]
        parts, first, j = [], opening + 1, opening + 1
        while j < closing:
            if s.text_of(j) == ";":
                parts.append((first, j - 1))
                first = j + 1
            j = s.partner[j] + 1 if s.text_of(j) in OPENING else j + 1
        parts.append((first, closing - 1))
        if word == "for" and len(parts) != 3:
            return None
        low, high = parts[1] if word == "for" else parts[-1]
        if low > high or any(s.text_of(k) == "=" for k in range(low, high + 1)):
            return None
        return self._within("condition", low, high, mutant)

    def _value(self, first, end, mutant):
        """The value that a declaration gives to its only variable."""
        s, j, equals = self.source, first, None
        while j < end:
            if s.text_of(j) == "=" and equals is None:
                equals = j
            if s.text_of(j) == "," and (equals is not None or s.text_of(j - 1) != ">"):
                return None
            j = s.partner[j] + 1 if s.text_of(j) in OPENING else j + 1
        if equals is None or s.text_of(equals + 1) in ("{", "[", "default", "delete"):
            return None
        return self._within("value", equals + 1, end - 1, mutant)
