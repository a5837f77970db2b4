# SPDX-License-Identifier: Apache-2.0
"""What a mutation run found, as a document and as the last lines of the run."""

import collections

VERDICTS = ("found", "survived", "equivalent", "not compiled")

HEAD = """# Mutation: do the tests notice?

`./dev mutate` changes one small thing in a source that a promise rests on, compiles it, and runs the programs that should notice,
the cheapest first. A mutant that all of them pass has survived: then a test was missing, or the change is none. What is changed, and
what is not, says `tests/mutation/mutants.py`; which programs have to notice, `tests/mutation/areas.py`.

This page is written by `./dev mutate --sample 0 --report docs/reports/mutation.md`, from all verdicts on the sources as they were that
day; where a source has changed since, the numbers of its lines are of then.
Mutants are drawn by seed. *Equivalent*: the compiler made the same object of it, so no test could tell. *Not compiled*: nobody could
have committed it. Neither counts.

"""


def tally(records):
    return collections.Counter(r["verdict"] for r in records)


def open_survivors(records, accepted):
    return [r for r in records if r["verdict"] == "survived" and accepted.reason(r) is None]


def close(records, accepted):
    """Prints the survivors that nobody has accepted, and the sums; returns the exit status."""
    missed = open_survivors(records, accepted)
    for r in missed:
        print(f"survived: {r['path']}:{r['line']}: {r['kind']}: {r['change']}")
    counts = tally(records)
    print(", ".join(f"{counts[v]} {v}" for v in VERDICTS) + f"; {counts['survived'] - len(missed)} of the survivors are accepted")
    return 1 if missed else 0


def document(records, accepted, possible):
    by_path = collections.defaultdict(list)
    for r in records:
        by_path[r["path"]].append(r)
    mutants = collections.Counter(path for path, _, _ in possible)
    lines = ["| source | mutants | tried | found | survived | equivalent | not compiled |", "|---|---:|---:|---:|---:|---:|---:|"]
    for path in sorted(by_path):
        lines.append(row(f"`{path}`", mutants[path], by_path[path]))
    lines.append(row("**all**", sum(mutants[path] for path in by_path), records))
    return (HEAD + "\n".join(lines) + "\n\n" + by_program(records) + by_kind(records) + survivors(records, accepted))


def row(name, possible, records):
    counts = tally(records)
    return f"| {name} | {possible} | {len(records)} | " + " | ".join(str(counts[v]) for v in VERDICTS) + " |"


def by_program(records):
    counts = collections.Counter(r["how"].split(":", 1)[0] for r in records if r["verdict"] == "found")
    lines = ["Which program was the first to notice:", "", "| program | mutants |", "|---|---:|"]
    return "\n".join(lines + [f"| `{name}` | {n} |" for name, n in counts.most_common()]) + "\n\n"


def by_kind(records):
    groups = collections.defaultdict(list)
    for r in records:
        groups[r["kind"]].append(r)
    lines = ["By what was changed:", "", "| kind | tried | found | survived |", "|---|---:|---:|---:|"]
    for kind in sorted(groups):
        counts = tally(groups[kind])
        lines.append(f"| {kind} | {len(groups[kind])} | {counts['found']} | {counts['survived']} |")
    return "\n".join(lines) + "\n\n"


def survivors(records, accepted):
    left = [r for r in records if r["verdict"] == "survived"]
    if not left:
        return "No mutant survived.\n"
    lines = ["## Survivors", "", "| where | the change | why no test notices |", "|---|---|---|"]
    for r in left:
        why = accepted.reason(r) or "**open**"
        lines.append(f"| `{r['path'].rsplit('/', 1)[-1]}`:{r['line']} | {code(r['change'])} | {why} |")
    return "\n".join(lines) + "\n"


def code(change):
    was, _, becomes = change.partition(" -> ")
    return f"`{cell(was)}` becomes `{cell(becomes)}`"


def cell(text):
    text = text.replace("|", "\\|")
    return text if len(text) <= 100 else text[:97] + "..."
