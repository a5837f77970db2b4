# SPDX-License-Identifier: Apache-2.0
"""What the compilers say: the format, clang-tidy, headers that compile alone, and no source that nobody builds."""

import re
import subprocess

import tree as shared

CLANG_FORMAT = "clang-format-19"
CLANG_TIDY = "clang-tidy-19"
# The commands in compile_commands.json are g++'s. Warnings are the business of .clang-tidy, not of -Werror.
TIDY_EXTRA = ["--extra-arg=-Wno-error", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-sign-conversion"]
HEADER_WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
TIMEOUT_S = 300
MAX_FINDING_LINES = 12


def run(command, **options):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options)
    except subprocess.TimeoutExpired:
        return 1, f"still running after {TIMEOUT_S} s"
    return done.returncode, done.stdout + done.stderr


def check_format(tree):
    clang_format = shared.tool(CLANG_FORMAT)
    sources = tree.files(*shared.CPP_SUFFIXES)
    if not sources:
        raise shared.Skip("there are no C++ sources")
    _, output = run([clang_format, "--dry-run", "--ferror-limit=1", *sources], cwd=tree.root)
    problems = [line for line in output.splitlines() if re.match(r"\S+:\d+:\d+: ", line)]
    return problems + ["./dev fmt puts these right"] if problems else []


def check_tidy(tree):
    clang_tidy = shared.tool(CLANG_TIDY)
    configuration = [tree.text(p) for p in tree.files(".clang-tidy")]
    clean = shared.Clean(tree, "tidy", shared.version_of(clang_tidy), *TIDY_EXTRA, *configuration)
    commands = {path: words for path, words in tree.compile_commands().items() if path in tree.files(".cpp")}

    def tidy(path):
        def find():
            status, output = run([clang_tidy, "-p", tree.build_dir, "--quiet", *TIDY_EXTRA, tree.root / path])
            output = re.sub(r"^(\d+ warnings?( and \d+ errors?)? generated\.|Suppressed .*|Use -header-filter.*)\n", "", output,
                            flags=re.M)
            for prefix in (f"{tree.build_dir}/../../", f"{tree.root}/", "../../"):
                output = output.replace(prefix, "")
            return [output.rstrip() or f"{path}:1: clang-tidy ended with {status}"] if status else []

        return clean.problems(path, find, commands[path])

    return without_repeats(shared.side_by_side(tidy, sorted(commands, key=lambda p: -len(tree.text(p)))))


def without_repeats(outputs):
    """A finding in a header comes up in each source that includes it; once is enough."""
    seen, kept = set(), []
    for output in outputs:
        for finding in re.split(r"^(?=\S+:\d+:\d+: (?:error|warning))", output, flags=re.M):
            first = finding.split("\n", 1)[0]
            if first and first not in seen:
                seen.add(first)
                lines = finding.rstrip().split("\n")
                kept.append("\n".join(lines[:MAX_FINDING_LINES] + ["..."] * (len(lines) > MAX_FINDING_LINES)))
    return kept


def check_built(tree):
    """A source that no meson.build lists is neither compiled nor tested."""
    built = tree.compile_commands()
    return [f"{path}:1: no meson.build lists it" for path in tree.files(".cpp", ".c") if path not in built]


def check_headers(tree):
    """Each header compiles alone, and twice; a .h is a header for C programs too, so it must be C11 as well."""
    options = include_options(tree)
    # Sorted, because one more target elsewhere changes their order.
    clean = shared.Clean(tree, "headers", shared.version_of("g++"), *HEADER_WARNINGS, *sorted(options))

    def compile_alone(path, language):
        compiler = ["g++", "-std=c++20", "-xc++"] if language == "c++" else ["gcc", "-std=c11", "-xc"]
        twice = f'#include "{path}"\n' * 2 + "int translation_units_of_c_may_not_be_empty;\n"
        status, output = run([*compiler, *HEADER_WARNINGS, *options, "-fsyntax-only", "-"], input=twice, cwd=tree.build_dir)
        return [f"{path}:1: does not compile alone as {language}\n{output.rstrip()}"] if status else []

    def look(item):
        path, language = item
        return clean.problems(path, lambda: compile_alone(path, language), language)

    items = [(p, "c++") for p in tree.files(".hpp", ".h")] + [(p, "c") for p in tree.files(".h")]
    if not items:
        raise shared.Skip("there are no headers")
    return shared.side_by_side(look, items)


def include_options(tree):
    """The -I, -isystem and -D of all sources together, in order, without repeats."""
    options = {f"-I{tree.root}": None}
    for command in tree.compile_commands().values():
        for option in re.findall(r"(?:^|\s)(-(?:I|isystem\s*|D)[^\s\"']+)(?=\s|$)", command):
            # meson's private folder of each target; no header of ours lies there
            if not re.match(r"-I\S*\.p$", option):
                options.setdefault(re.sub(r"^-isystem\s*", "-isystem", option), None)
    return list(options)
