#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which lines of oracle, control and ptp no test runs, and why.

A share of covered lines says little: the lines that matter are the others. So this lists them, and joins each with the reason that
somebody wrote down in reasons.toml. gcovr does the counting, from what an instrumented build left behind (`./dev coverage`): a
source that is compiled twice, for the simulator too, is one source here. What a test does with what it runs, ./dev mutate asks.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import subprocess
import sys
import tomllib

FOLDERS = ("oracle", "control", "ptp")
REASONS = pathlib.Path(__file__).parent / "reasons.toml"

HEAD = """# Coverage: which lines does no test run?

Counted by gcovr on an instrumented build, over the suites {suites}, by

    ./dev coverage {arguments}

which writes this page. Inline code of headers counts with its header. A line that some test runs may still be one at whose effect no
test looks: that is what [mutation.md](mutation.md) is about.

"""

Gap = collections.namedtuple("Gap", "path first last text why")


def count(root, build_dir):
    """{path: {line: how often it ran}} of the sources of ours."""
    found = build_dir / "coverage.json"
    filters = [word for folder in FOLDERS for word in ("--filter", f"{root}/{folder}/")]
    subprocess.run(["gcovr", "--root", root, "--object-directory", build_dir, *filters, "--json", found, "-j", "2",
                    "--gcov-ignore-parse-errors", build_dir], check=True, cwd=build_dir)
    return lines_of(json.loads(found.read_text()))


def lines_of(counted):
    counts = collections.defaultdict(dict)
    for file in counted["files"]:
        for line in file["lines"]:
            if not line.get("gcovr/noncode"):
                number = line["line_number"]
                counts[file["file"]][number] = counts[file["file"]].get(number, 0) + line["count"]
    return counts


def gaps_of(path, counts, text, reasons):
    """Runs of lines that nobody ran, where what lies between two of them is no code."""
    lines, gaps, run = text.split("\n"), [], []
    for number in sorted(counts) + [None]:
        if number is not None and counts[number] == 0:
            run.append(number)
        elif run:
            shown = next((lines[n - 1].strip() for n in run if len(lines[n - 1].strip()) > 1), lines[run[0] - 1].strip())
            gaps.append(Gap(path, run[0], run[-1], shown, why(reasons, path, [lines[n - 1] for n in run])))
            run = []
    return gaps


def why(reasons, path, lines):
    """The reason of the first rule whose path fits, and whose text, if it has one, stands in one of the lines."""
    for rule in reasons:
        if fnmatch.fnmatch(path, rule["path"]) and ("text" not in rule or any(rule["text"] in line for line in lines)):
            return rule["why"]
    return None


def table(counts):
    lines = ["| folder | lines | run | not run | share |", "|---|---:|---:|---:|---:|"]
    for folder in FOLDERS:
        of_folder = [n for path, numbers in counts.items() if path.startswith(folder + "/") for n in numbers.values()]
        ran = sum(1 for n in of_folder if n)
        share = f"{100 * ran / len(of_folder):.1f} %" if of_folder else "none"
        lines.append(f"| `{folder}` | {len(of_folder)} | {ran} | {len(of_folder) - ran} | {share} |")
    return "\n".join(lines) + "\n"


def document(head, counts, gaps):
    lines = [head + table(counts), "## Lines that no test runs", "", "| where | the first of them | why |", "|---|---|---|"]
    for gap in gaps:
        at = f"{gap.first}" if gap.first == gap.last else f"{gap.first}-{gap.last}"
        shown = gap.text.replace("|", "\\|")
        lines.append(f"| `{gap.path}`:{at} | `{shown if len(shown) <= 80 else shown[:77] + '...'}` | {gap.why or '**open**'} |")
    return "\n".join(lines) + "\n"


def main(argv):
    parser = argparse.ArgumentParser(description="Lists the lines that no test runs.", allow_abbrev=False)
    parser.add_argument("--source-dir", type=pathlib.Path, required=True)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    parser.add_argument("--arguments", default="", help="of ./dev coverage, for the document")
    parser.add_argument("--suites", default="unit, sim and ptp", help="that ran, for the document")
    parser.add_argument("--report", type=pathlib.Path, help="where to write the document")
    args = parser.parse_args(argv)
    root, build_dir = args.source_dir.resolve(), args.build_dir.resolve()
    counts = count(root, build_dir)
    reasons = tomllib.loads(REASONS.read_text()).get("lines", []) if REASONS.is_file() else []
    gaps = [gap for path in sorted(counts) for gap in gaps_of(path, counts[path], (root / path).read_text(), reasons)]
    listing = build_dir / "uncovered.txt"
    listing.write_text("".join(f"{g.path}:{g.first}-{g.last}: {g.text}\n" for g in gaps))
    if args.report:
        args.report.write_text(document(HEAD.format(suites=args.suites, arguments=args.arguments).replace("coverage \n", "coverage\n"),
                                        counts, gaps))
    print(table(counts) + f"{len(gaps)} places that no test runs, {sum(1 for g in gaps if g.why is None)} of them without a reason: "
          f"{listing.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
