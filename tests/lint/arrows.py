# SPDX-License-Identifier: Apache-2.0
"""Includes follow the arrows: cmd -> {dataplane, control, ptp, client} -> {proto, platform} -> oracle, none among the four.

The folders state the direction of dependencies, and one include against it makes the statement false for good: so the
includes are read, not trusted. proto is a leaf for control, client and cmd. bench and tests may include everything and are
included by nobody else. Headers of ours are named from the root, in quotes. DPDK is for dataplane alone.
"""

import re

MAY_INCLUDE = {
    "oracle": {"oracle"},
    "platform": {"platform", "oracle"},
    "proto": {"proto", "oracle"},
    "ptp": {"ptp", "platform", "oracle"},
    "dataplane": {"dataplane", "platform", "oracle"},
    "control": {"control", "proto", "platform", "oracle"},
    "client": {"client", "proto", "platform", "oracle"},
    "cmd": {"cmd", "dataplane", "control", "ptp", "client", "proto", "platform", "oracle"},
}
MAY_INCLUDE_ALL = {"bench", "tests"}
MAY_INCLUDE_DPDK = {"dataplane", "bench", "tests"}

GENERATED_BY_PROTOC = re.compile(r"\.pb\.h$")
DPDK = re.compile(r"^(rte_\w+|ethdev_driver|bus_\w+_driver)\.h$")


def folder_of(tree, included):
    """The folder of ours that an include names, or None for an outside header."""
    if GENERATED_BY_PROTOC.search(included):
        return "proto" if not included.startswith("google/") else None
    first = included.split("/", 1)[0]
    if first not in MAY_INCLUDE and first not in MAY_INCLUDE_ALL:
        return None
    return first if any((tree.root / (included + end)).is_file() for end in ("", ".in")) else None


def problem_of(tree, folder, included, quoted):
    target = folder_of(tree, included)
    if target is None:
        if DPDK.match(included) and folder not in MAY_INCLUDE_DPDK:
            return f"{folder}/ must build without DPDK, but includes {included}"
        return f'"{included}" is not a file from the root of the checkout (outside headers take <>)' if quoted else None
    if not quoted:
        return f"<{included}> is ours; it takes quotes"
    if folder not in MAY_INCLUDE_ALL and target not in MAY_INCLUDE[folder]:
        return f"{folder}/ may not include {target}/ ({included})"
    return None


def check(tree):
    problems = []
    for path in tree.files(".cpp", ".hpp", ".h", ".c"):
        folder = path.split("/", 1)[0]
        if folder not in MAY_INCLUDE and folder not in MAY_INCLUDE_ALL:
            problems.append(f"{path}:1: {folder}/ has no place in the arrows")
            continue
        for line, included, quoted in tree.includes(path):
            problem = problem_of(tree, folder, included, quoted)
            if problem:
                problems.append(f"{path}:{line}: {problem}")
    return problems
