# SPDX-License-Identifier: Apache-2.0
"""C++ as far as a mutant needs it: tokens with their places, the pairs of brackets, and what each brace opens.

This is no parser. It relies on what clang-format makes of every source of ours: a binary operator has a space on either side, and
a template's angle bracket, a reference and a unary operator have not. So `a < b` and `vector<int>` are told apart without knowing
a single declaration. Comments, literals of text and preprocessor lines are tokens of their own, which nobody mutates.
"""

import dataclasses
import re

TOKEN = re.compile(r"""
  (?P<comment>//[^\n]*|/\*.*?\*/)
 |(?P<directive>(?:(?<=\n)|\A)[ \t]*\#(?:\\\n|[^\n])*)
 |(?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)")
 |(?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
 |(?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
 |(?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
 |(?P<word>[A-Za-z_]\w*)
 |(?P<space>\s+)
 |(?P<punct><=>|->\*|\.\.\.|<<=|>>=|::|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.X | re.S)

OPENING = {"(": ")", "[": "]", "{": "}"}
TYPE_WORDS = ("class", "struct", "union", "enum")


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str  # string, char, number, word or punct
    text: str
    start: int

    @property
    def end(self):
        return self.start + len(self.text)


class Source:
    """The tokens of a file without comments, directives and space."""

    def __init__(self, text):
        self.text = text
        self.tokens = []
        for match in TOKEN.finditer(text):
            kind = "string" if match.lastgroup in ("raw", "mark") else match.lastgroup
            if kind not in ("comment", "directive", "space"):
                self.tokens.append(Token(kind, match[0], match.start()))
        self.partner = self._pair_brackets()  # index of a bracket -> index of the other one
        self.enclosing = self._find_enclosing()  # index -> indices of the braces around it, outermost first
        self.opens = {i: self._kind_of_brace(i) for i in self.partner if self.tokens[i].text == "{"}

    def text_of(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def line_of(self, start):
        return self.text.count("\n", 0, start) + 1

    def spaced(self, i):
        """Whether there is space on either side of a token, as clang-format puts it around a binary operator."""
        token = self.tokens[i]
        return self.text[token.start - 1:token.start].isspace() and self.text[token.end:token.end + 1].isspace()

    def in_function(self, i):
        return any(self.opens.get(brace) == "block" for brace in self.enclosing[i])

    def in_brackets(self, i):
        """Whether a parenthesis or bracket that was opened inside the innermost brace is open: in the head of a `for`."""
        j, around = i - 1, self.enclosing[i]
        while j > (around[-1] if around else -1):
            if j in self.partner and self.tokens[j].text not in OPENING:
                j = self.partner[j]
            elif j in self.partner:
                return True
            j -= 1
        return False

    def arguments(self, opening):
        """The (first, last) token of each argument between a pair of brackets."""
        found, first, i, closing = [], opening + 1, opening + 1, self.partner[opening]
        while i < closing:
            if self.tokens[i].text == ",":
                found.append((first, i - 1))
                first = i + 1
            i = self.partner[i] + 1 if self.tokens[i].text in OPENING else i + 1
        return found + [(first, closing - 1)] if closing > opening + 1 else []

    def slice(self, first, last):
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def _pair_brackets(self):
        partner, open_ones = {}, []
        for i, token in enumerate(self.tokens):
            if token.kind != "punct":
                continue
            if token.text in OPENING:
                open_ones.append(i)
            elif token.text in OPENING.values():
                j = open_ones.pop()
                if OPENING[self.tokens[j].text] != token.text:
                    raise ValueError(f"line {self.line_of(token.start)}: '{token.text}' closes '{self.tokens[j].text}'")
                partner[i], partner[j] = j, i
        return partner

    def _find_enclosing(self):
        enclosing, around = [], ()
        for i, token in enumerate(self.tokens):
            if token.text == "}" and token.kind == "punct":
                around = around[:-1]
            enclosing.append(around)
            if token.text == "{" and token.kind == "punct":
                around = around + (i,)
        return enclosing

    def _head(self, i):
        """The words of the statement or declaration before a brace, without what stands in brackets."""
        words, j = [], i - 1
        while j >= 0 and self.tokens[j].text not in (";", "{"):
            if self.tokens[j].text == "}" and not self._is_initialiser_before(j):
                break
            if self.tokens[j].text in (")", "]", "}"):
                words.append("()" if self.tokens[j].text == ")" else "[]")
                j = self.partner[j] - 1
                continue
            words.append(self.tokens[j].text)
            j -= 1
        return words[::-1]

    def _is_initialiser_before(self, closing):
        """Whether a closing brace ends a member's initialiser, `member_{1}`, and not a block or a type."""
        before = self.partner[closing] - 1
        return self.text_of(closing + 1) in (",", "{", ")") and before >= 0 and self.tokens[before].kind == "word"

    def _kind_of_brace(self, i):
        """block (statements), type, namespace, or value (an initialiser)."""
        before, head = self.text_of(i - 1), self._head(i)
        if "namespace" in head or head[:1] == ["extern"]:
            return "namespace"
        if "template" in head:
            head = head[head.index("template") + 1:]
        if any(word in TYPE_WORDS for word in head) and "()" not in head:
            return "type"
        if before == "{":
            return "block" if self._kind_of_brace(i - 1) == "block" else "value"
        if before == ":":
            return "value" if "(" in head else "block"  # a range in `for (x : {1, 2})`, or what a label labels
        if before in (")", "]", "}", ";", "const", "noexcept", "override", "mutable", "else", "do", "try"):
            return "block"
        return "block" if self._ends_in_return_type(head) else "value"

    @staticmethod
    def _ends_in_return_type(head):
        if "->" not in head:
            return False
        arrow = len(head) - 1 - head[::-1].index("->")
        return head[arrow - 1] in ("()", "const", "noexcept", "mutable") and not {"(", "="} & set(head[arrow:])
