# SPDX-License-Identifier: Apache-2.0
"""oracle/ is pure: what it does follows from its arguments alone.

A core that could read a clock, wait or open something could not be replayed by the simulator, so it may not even name the
means. Headers are listed by permission: whoever needs another one adds it here, if it neither opens, waits, reads a clock
nor draws randomness. Atomics are pure. The list of words catches what arrives through a permitted header or as a builtin.
"""

import re

HEADERS = set("""
algorithm array atomic bit bitset cassert cctype cerrno charconv cinttypes climits cmath compare concepts cstddef cstdint
cstring deque expected forward_list functional initializer_list iterator limits list map memory memory_resource new numbers
numeric optional queue ranges ratio set source_location span stack stdexcept string string_view tuple type_traits typeinfo
unordered_map unordered_set utility variant vector version
tl/expected.hpp fmt/core.h fmt/format.h sodium/crypto_shorthash.h sodium/crypto_shorthash_siphash24.h
""".split())

WORDS = re.compile(r"""
    \b\w+_clock\s*::\s*now\b | \b(?:steady|system|high_resolution|utc|tai|gps|file)_clock\b
  | \b(?:clock_gettime|gettimeofday|(?:clock_)?nanosleep|usleep|(?:secure_)?getenv|getrandom|s?rand)\s*\(
  | \b(?:random_device|_rdtsc|__rdtscp?|__builtin_ia32_\w+|__builtin_readcyclecounter)\b
  | \b(?:asm|__asm__|thread_local)\b
  | \b(?:fopen|syscall|ioctl|f?printf)\s*\(
  | \bstd\s*::\s*(?:j?thread|\w*mutex|condition_variable\w*|async|future|promise|c(?:out|err|in|log)|[io]?fstream)\b
""", re.X)


def check(tree):
    problems = []
    for path in tree.files(".cpp", ".hpp", ".h", ".c"):
        if not path.startswith("oracle/"):
            continue
        for line, included, quoted in tree.includes(path):
            if not quoted and included not in HEADERS:
                problems.append(f"{path}:{line}: <{included}> is not on the list of pure headers (tests/lint/purity.py)")
        code = tree.code(path)
        for match in WORDS.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            problems.append(f"{path}:{line}: '{match[0].strip(' (')}' is not for the pure core")
    return problems
