# SPDX-License-Identifier: Apache-2.0
"""What is known about mutants: verdicts of earlier runs, and survivors that somebody has looked at.

A verdict belongs to a mutant of one text. When the source changes, its verdicts are forgotten; tests only get better, so a mutant
that was found once stays found. An accepted survivor is named by its line's text rather than by a number, so that it stays
accepted when lines move, and is asked about again when the line itself changes.
"""

import hashlib
import json
import pathlib
import tomllib

from mutants import describe

ACCEPTED = pathlib.Path(__file__).parent / "accepted.toml"


def text_digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record_of(path, text, mutant, verdict="", how=""):
    was, becomes = describe(mutant, text)
    line = text.count("\n", 0, mutant.start)
    return {"path": path, "text": text_digest(text), "start": mutant.start, "end": mutant.end, "becomes": mutant.becomes,
            "kind": mutant.kind, "line": line + 1, "change": f"{was} -> {becomes}",
            "source": text.split("\n")[line].strip(), "verdict": verdict, "how": how}


def identity(record):
    return record["path"], record["text"], record["start"], record["end"], record["becomes"]


class Verdicts:
    """The verdicts of all runs, a line each in one file; the latest about a mutant counts."""

    def __init__(self, file):
        self.file = file
        self.records = {}
        if file.is_file():
            for line in file.read_text().splitlines():
                record = json.loads(line)
                self.records[identity(record)] = record

    def add(self, record):
        self.records[identity(record)] = record
        with open(self.file, "a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")

    def of_present_texts(self, root):
        """Those about files as they are now, in the order of path and place."""
        digests = {}
        for record in self.records.values():
            path = record["path"]
            if path not in digests:
                file = root / path
                digests[path] = text_digest(file.read_text()) if file.is_file() else ""
        kept = [r for r in self.records.values() if r["text"] == digests[r["path"]]]
        return sorted(kept, key=lambda r: (r["path"], r["start"], r["end"], r["becomes"]))


class Accepted:
    """Survivors that are no gap of the tests, each with the reason."""

    def __init__(self, file=ACCEPTED):
        self.reasons = {}
        for entry in tomllib.loads(file.read_text()).get("survivor", []) if file.is_file() else ():
            for change in entry["changes"]:
                self.reasons[entry["path"], entry["line"], change] = entry["why"]

    def reason(self, record):
        """Why this survivor is accepted, or None."""
        return self.reasons.get((record["path"], record["source"], record["change"]))
