# SPDX-License-Identifier: Apache-2.0
"""The form of single files: length, licence line, no paths of one machine, Python that parses, shell that shellcheck likes."""

import re
import subprocess

import tree as shared

MAX_LINES = 600
LICENCE = "SPDX-License-Identifier: Apache-2.0"
MARKERS = {(".cpp", ".hpp", ".h", ".c", ".proto"): "// ", (".py", ".sh", "meson.build", "meson_options.txt"): "# "}


def is_script(tree, path):
    return "." not in path.rsplit("/", 1)[-1] and tree.text(path).startswith("#!")


def check_length(tree):
    problems = []
    for path in tree.files():
        if path.endswith(shared.CPP_SUFFIXES + (".py", ".sh", ".proto")) or is_script(tree, path):
            lines = tree.text(path).count("\n")
            if lines > MAX_LINES:
                problems.append(f"{path}:{lines}: {lines} lines; past {MAX_LINES} a file is two concepts")
    return problems


def check_licence(tree):
    problems = []
    for path in tree.files():
        marker = next((m for suffixes, m in MARKERS.items() if path.endswith(suffixes)), None)
        if marker is None and is_script(tree, path):
            marker = "# "
        if marker is None:
            continue
        lines = tree.text(path).split("\n", 2)
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if first != marker + LICENCE:
            problems.append(f"{path}:1: must open with '{marker}{LICENCE}'")
    return problems


def check_paths(tree):
    """Where this checkout, or that of whoever wrote the file, happens to lie."""
    places = ["/" + "work/", f"{tree.root.resolve()}/"]
    pattern = re.compile(r"(?<![\w.})/-])(?:%s)" % "|".join(map(re.escape, places)))
    return [f"{path}:{number}: names a path of one machine"
            for path in tree.files()
            for number, line in enumerate(tree.text(path).splitlines(), 1)
            if pattern.search(line)]


def check_python(tree):
    problems = []
    for path in tree.files(".py"):
        try:
            compile(tree.text(path), path, "exec")
        except SyntaxError as error:
            problems.append(f"{path}:{error.lineno}: {error.msg}")
    return problems


def check_shell(tree):
    shellcheck = shared.tool("shellcheck")
    scripts = [p for p in tree.files()
               if p.endswith(".sh") or (is_script(tree, p) and "sh" in tree.text(p).split("\n", 1)[0].rsplit("/", 1)[-1])]
    if not scripts:
        raise shared.Skip("there are no shell scripts")
    done = subprocess.run([shellcheck, "--format=gcc", *scripts], cwd=tree.root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or ([done.stderr.strip()] if done.returncode else [])
