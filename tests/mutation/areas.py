# SPDX-License-Identifier: Apache-2.0
"""Which sources are mutated, and which programs have to notice: the cheapest and closest first, the simulator last.

A row serves the files that match its patterns and no earlier row. The simulator runs seeds of its own choice elsewhere; here they
are fixed, because a mutant that is found on one day only can't be worked on.
"""

import collections
import fnmatch

# A program by its target in the build folder, and its arguments.
Program = collections.namedtuple("Program", "target arguments")


def unit(name, leave_out=""):
    return Program(f"tests/{name}", ("--gtest_color=no", "--gtest_fail_fast") + ((f"--gtest_filter=-{leave_out}",) if leave_out else ()))


def simulated(*arguments):
    return Program("tests/sim/gnomon-sim", ("--first-seed", "1", *arguments))


ONE_HOST = simulated("--seeds", "150")
MANY_HOSTS = simulated("--seeds", "80", "--shared")
LEASES = simulated("--seeds", "60", "--leases")
OLD_FINDS = Program("tests/sim/sim_test", ("--gtest_color=no", "--gtest_filter=*once_found_a_bug"))

AREAS = (
    (("oracle/mint/ordering.*",),
     (unit("oracle/ordering_test"), unit("ptp/clock_estimator_test"), unit("control/agent_test"), ONE_HOST, OLD_FINDS)),
    (("oracle/mint/*",),
     (unit("oracle/generator_test"), unit("oracle/server_test"), unit("control/agent_test"), ONE_HOST)),
    (("oracle/lease/text_value.*", "oracle/lease/record.hpp"),
     (unit("oracle/lease_test"), unit("oracle/lease_rules_test"))),
    (("oracle/lease/clock_vote.*", "oracle/lease/session.*", "oracle/lease/heal.*", "oracle/lease/right_rules.*",
      "oracle/lease/stored_right.*"),
     (unit("oracle/lease_test"), unit("control/agent_test"), MANY_HOSTS, ONE_HOST, OLD_FINDS)),
    (("oracle/lease/history.*",),
     (unit("oracle/lease_test"), unit("control/agent_test"))),
    (("oracle/lease/*",),
     (unit("oracle/lease_rules_test"), unit("oracle/lease_property_test"), unit("control/lease_desk_test"), LEASES)),
    (("ptp/clock_track.*", "ptp/claim_to_tai.*", "ptp/roots.*", "ptp/true_time_estimator.*"),
     (unit("ptp/true_time_test"), unit("ptp/clock_estimator_test"), unit("sim/truth_test"), ONE_HOST)),
    (("ptp/clock_estimator.*",),
     (unit("ptp/clock_estimator_test"), unit("ptp/counter_test"), ONE_HOST, OLD_FINDS)),
    (("control/agent/*",),
     (unit("control/agent_test"), ONE_HOST, MANY_HOSTS, OLD_FINDS)),
)


def programs_for(path):
    """The programs in the order in which they are tried; none if the file belongs to no area."""
    for patterns, programs in AREAS:
        if any(fnmatch.fnmatch(path, pattern) for pattern in patterns):
            return programs
    return ()
