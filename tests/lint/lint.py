#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the checks of the house style: all of them, or those named.

Quick checks come first. The last line is "N passed, N failed, N skipped", counting checks.
"""

import argparse
import sys
import time

import arrows
import compiled
import documents
import form
import purity
import tree as shared

CHECKS = {
    "arrows": arrows.check,
    "purity": purity.check,
    "length": form.check_length,
    "licence": form.check_licence,
    "paths": form.check_paths,
    "python": form.check_python,
    "shell": form.check_shell,
    "documents": documents.check,
    "built": compiled.check_built,
    "format": compiled.check_format,
    "headers": compiled.check_headers,
    "tidy": compiled.check_tidy,
}


def run(tree, name):
    """Makes one check and prints what it finds; returns passed, failed or skipped."""
    started = time.monotonic()
    try:
        problems = CHECKS[name](tree)
        words = f"{len(problems)} problems" if problems else "clean"
        verdict = "failed" if problems else "passed"
    except shared.Skip as skip:
        problems, words, verdict = [], str(skip), "skipped"
    print(f"{name:10} {verdict}: {words} ({time.monotonic() - started:.1f} s)")
    for problem in problems:
        print("  " + problem.replace("\n", "\n  "))
    sys.stdout.flush()
    return verdict


def main(argv):
    parser = argparse.ArgumentParser(description="Runs the checks of the house style.", allow_abbrev=False)
    parser.add_argument("--source-dir", required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    args = parser.parse_args(argv)
    unknown = [name for name in args.checks if name not in CHECKS]
    if unknown:
        parser.error(f"no such check: {', '.join(unknown)} (there are: {', '.join(CHECKS)})")

    tree = shared.Tree(args.source_dir, args.build_dir)
    verdicts = [run(tree, name) for name in args.checks or CHECKS]
    count = verdicts.count
    print(f"{count('passed')} passed, {count('failed')} failed, {count('skipped')} skipped")
    return 0 if count("failed") == 0 and count("passed") > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
