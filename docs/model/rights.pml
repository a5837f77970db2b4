/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of rights: who may issue which timestamps under a machine id, whatever is lost, late, paused, dead or put back.
 *
 * The naive protocol gives an id to its next holder when the last one is believed to be gone. This one never believes anything
 * about anybody: it hands out windows that are disjoint, and the argument that they are has no clock in it. So this model has
 * none either: every `now`, time-out and patience is any value at any moment. A timestamp is a unit, 0 to UNITS - 1; a window is
 * [floor, ceiling).
 *
 *   store.inc    the store, its commits, answers that get lost and land late, and the judge's notes
 *   goals.inc    what has to be possible
 *   worker.inc   pages, and workers that may pause anywhere
 *   estate.inc   what has to agree before a dead daemon's right is given back
 *   agent.inc    the agent of one worker's right, and the executor of an estate
 *   host.inc     start, failure, death
 *   restore.inc  the store goes back, and is recovered
 *
 * What is claimed (CLAIM, and one plain assert that is never left out):
 *
 *   U  no unit of an id is issued twice                                       issue
 *   D  windows of different grants are disjoint                               judge_landing
 *   L  a ceiling is lowered by a release only, and never below what was used  judge_landing
 *   R  nothing is issued once the release of its right was sent               issue
 *   P  what is published was committed, and the store still knows it          publish_right
 *   T  the tokens of an id grow                                               judge_landing
 *   A  a store that did not go back is never sealed                           fail, Host
 *
 * Bounds, all by -D: a search is complete within them. README.md says what each step stands for in the code, what is left out,
 * and how to run it. MUTATE_... plants a bug, GOAL_... denies what must be possible.
 */

/* HOSTS: 1 or 2, as are WORKERS of each, IDS, and LATE, the commits in flight of each host whose answers are lost. UNITS: of
 * time, up to 7. REVISIONS: the last that the store gets to; it begins at 1. STARTS: of a daemon on each host. DEATHS and LOST:
 * kills, and answers that are lost, in all. SPOILT_PAGES: a death may leave any use in a page, with a check word that does not
 * agree. WITHOUT_JOURNAL: for bounds without deaths and restores, where it decides nothing, and would multiply states. */
#ifndef HOSTS
#define HOSTS 2
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef IDS
#define IDS 1
#endif
#ifndef UNITS
#define UNITS 3
#endif
#ifndef REVISIONS
#define REVISIONS 5
#endif
#ifndef STARTS
#define STARTS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef LOST
#define LOST 1
#endif
#ifndef LATE
#define LATE 1
#endif

#if defined(RESTORE_BY_THE_BOOK) || defined(RESTORE_UNANNOUNCED)
#define RESTORE
#endif

#define LANES (HOSTS * WORKERS)
#define HOST(l) ((l) / WORKERS)
#define SENT (HOSTS * LATE)

/* Process numbers, in the order of the files: the network, workers, agents, hosts, the operator. */
#define FIRST_WORKER 1
#define FIRST_AGENT (FIRST_WORKER + LANES)
#define FIRST_HOST (FIRST_AGENT + LANES)

#define YES 1
#define NO 2
#define UNKNOWN 3
#define ACQUIRE 1
#define EXTEND 2
#define RELEASE 3

bit up[HOSTS];             /* a daemon runs */
bit estate[HOSTS];         /* what one that died held is still to be given back */
byte starts[HOSTS];
byte deaths;
byte incarnation[HOSTS];

bit went_back;             /* an older image of the store was put in its place */
bit recovered;
bit lost_something[HOSTS]; /* that was acknowledged to it */

/* After a restore that nobody was told of: see restore.inc. ANYBODY_FIRST shows why it has to be so. */
#if defined(RESTORE_UNANNOUNCED) && !defined(ANYBODY_FIRST)
#if HOSTS == 1
#define SOMEBODY_LOST (lost_something[0])
#else
#define SOMEBODY_LOST (lost_something[0] || lost_something[1])
#endif
#define MAY_TOUCH(h) (!went_back || recovered || store_sealed || lost_something[h] || !SOMEBODY_LOST)
#else
#define MAY_TOUCH(h) (true)
#endif

#ifdef ONLY_UNIQUENESS
#define CLAIM(what) skip
#else
#define CLAIM(what) assert(what)
#endif


#include "store.inc"
#include "goals.inc"
#include "worker.inc"
#include "estate.inc"
#include "agent.inc"
#include "host.inc"
#include "restore.inc"
