# SPDX-License-Identifier: Apache-2.0
"""The documents: links lead somewhere, files they name exist, and code that is shown is code that is built and run."""

import posixpath
import re

EXAMPLES = "client/examples/"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAMED_FILE = re.compile(r"`((?:oracle|platform|proto|ptp|control|dataplane|client|cmd|bench|tests|docs)/[\w./-]+\.\w+)`")
UNFINISHED = re.compile(r"\bto be (?:measured|written|done)\b|^[A-Z]{3,}_[A-Z_]+$", re.M)
CODE_BLOCK = re.compile(r"^```(?:cpp|c)\n(.*?)^```", re.M | re.S)


def check(tree):
    files = set(tree.files())
    examples = [body(tree.text(path)) for path in tree.files(".cpp", ".c") if path.startswith(EXAMPLES)]
    problems = []
    for path in tree.files(".md"):
        text = tree.text(path)
        for match in LINK.finditer(text):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
            if "://" not in match[1] and target not in files and not any(f.startswith(target + "/") for f in files):
                problems.append(f"{path}:{line(text, match)}: links to {match[1]}, which does not exist")
        for match in NAMED_FILE.finditer(text):
            if match[1] not in files:
                problems.append(f"{path}:{line(text, match)}: names {match[1]}, which does not exist")
        for match in UNFINISHED.finditer(text):
            problems.append(f"{path}:{line(text, match)}: '{match[0]}' stands where something is missing")
        for match in CODE_BLOCK.finditer(text):
            if match[1] not in examples:
                problems.append(f"{path}:{line(text, match)}: shows code that is none of {EXAMPLES}*: "
                                "what is shown must be built and run")
    return problems


def body(text):
    """An example without the lines that are about the file."""
    return re.sub(r"\A(?://[^\n]*\n)*", "", text)


def line(text, match):
    return text.count("\n", 0, match.start()) + 1
