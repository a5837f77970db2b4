// SPDX-License-Identifier: Apache-2.0
//
// The client library for C programs (C11) and for whatever can call C. It is client.hpp, id_stream.hpp,
// shared_clock.hpp and hlc_stamper.hpp of client/ behind opaque handles; read there what order, freshness and bounds to
// expect.
//
// Every function that can fail returns GNOMON_OK (0) or a GNOMON_E_* code, and fills `error` if it is not NULL. No
// exception passes this boundary. Out-parameters are written on success only. Strings are UTF-8 and zero-terminated.
//
// Thread rule: a client, a stream and a stamper may be used from any thread at the same time, a clock from one thread;
// opening and closing belong to one thread, and nothing may be in use while it is closed. Close streams before their
// client. After fork the child may go on using all of them: they start again by themselves.
#ifndef GNOMON_H
#define GNOMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* C has no namespaces and its types are in lower case. NOLINTBEGIN(readability-identifier-naming) */
typedef enum gnomon_code {
  GNOMON_OK = 0,
  GNOMON_E_TIMEOUT = 1,
  GNOMON_E_UNREACHABLE = 2,
  GNOMON_E_NOT_LEASED = 3,
  GNOMON_E_NOT_HOLDER = 4,
  GNOMON_E_CLOCK_UNSYNCHRONISED = 5,
  GNOMON_E_CLOCK_BEHIND = 6,
  GNOMON_E_BUSY = 7,
  GNOMON_E_TOO_FAR = 8,
  GNOMON_E_BAD_FORMAT = 9,
  GNOMON_E_BAD_COUNT = 10,
  GNOMON_E_UNAUTHORISED = 11,
  GNOMON_E_BAD_ARGUMENT = 12,
  GNOMON_E_OVERLOADED = 13,
  GNOMON_E_CLOSED = 14,
  GNOMON_E_SYSTEM = 15
} gnomon_code;

#define GNOMON_ERROR_TEXT_SIZE 512

typedef struct gnomon_error {
  int32_t code;            /* gnomon_code */
  int32_t try_elsewhere;   /* 1: another server or a later time may do better; 0: the request has to be changed */
  uint64_t retry_after_ns; /* what the server asked for; 0 if it named nothing */
  char text[GNOMON_ERROR_TEXT_SIZE]; /* what happened, to what, what to do; cut if longer */
} gnomon_error;

/* Layouts of IDs. */
#define GNOMON_SNOWFLAKE 1
#define GNOMON_INSTAGRAM 2
#define GNOMON_JS53 3

/* Zero-initialise (= {0}) and set what you need: a zero means the default. */
typedef struct gnomon_options {
  const char* servers;         /* "host:port,host:port,[v6]:port"; required */
  uint64_t deadline_ns;        /* of a call, retries included; default 2 s */
  uint32_t sockets_per_server; /* default 1 */
  uint32_t random_start;       /* 1: start with a random server of the list; default: the first */
  const uint8_t* key;          /* 16 bytes, or NULL: requests are not signed; copied */
  uint16_t key_id;             /* the key's number on the servers */
  uint32_t oscillator_ppb;     /* what this host's oscillator may be off; default 200,000 */
  uint64_t time_max_age_ns;    /* gnomon_now goes on with an exchange for so long; default 1 s */
} gnomon_options;

typedef struct gnomon_range {
  uint64_t first;
  uint32_t count;  /* at least 1 */
  uint32_t stride; /* the IDs are first + i * stride for i < count */
} gnomon_range;

typedef struct gnomon_ping_reply {
  uint64_t incarnation;        /* random per start of the daemon */
  uint64_t right_remaining_ns; /* at most 65.535 s */
  uint64_t round_trip_ns;
  uint32_t token_low; /* low half of the right's fencing token */
  uint16_t machine_id;
  uint16_t leased; /* 0: the worker holds no right, and the other fields of the right are zero */
} gnomon_ping_reply;

/* The true time lies in it, both ends included: TAI nanoseconds since 1970-01-01T00:00:00 TAI. */
typedef struct gnomon_interval {
  int64_t earliest_ns;
  int64_t latest_ns;
} gnomon_interval;

typedef struct gnomon_client gnomon_client;
typedef struct gnomon_stream gnomon_stream;
typedef struct gnomon_clock gnomon_clock;
typedef struct gnomon_stamper gnomon_stamper;

/* Asks no server anything: gnomon_ping does. Close with gnomon_close. */
int gnomon_connect(const gnomon_options* options, gnomon_client** client, gnomon_error* error);
/* NULL is allowed. */
void gnomon_close(gnomon_client* client);

int gnomon_next_id(gnomon_client* client, uint16_t layout, uint64_t* id, gnomon_error* error);
/* One contiguous range of 1 to `count` IDs. */
int gnomon_next_range(gnomon_client* client, uint16_t layout, uint32_t count, gnomon_range* range, gnomon_error* error);
/* Exactly `count` IDs into ids[0 .. count-1]. All or nothing. */
int gnomon_next_ids(gnomon_client* client, uint16_t layout, uint64_t* ids, size_t count, gnomon_error* error);
/* The server at this place of the list, from 0. */
int gnomon_ping(gnomon_client* client, size_t server_index, gnomon_ping_reply* reply, gnomon_error* error);

/* Prefetched IDs at memory speed; an ID's time is at most max_age_ns old when it is handed out (0: one second). */
int gnomon_stream_open(gnomon_client* client, uint16_t layout, uint64_t max_age_ns, gnomon_stream** stream,
                       gnomon_error* error);
int gnomon_stream_next(gnomon_stream* stream, uint64_t* id, gnomon_error* error);
/* NULL is allowed. */
void gnomon_stream_close(gnomon_stream* stream);

/* The true time at a moment between call and return; from what the last exchanges with servers proved, or after one. */
int gnomon_now(gnomon_client* client, gnomon_interval* now, gnomon_error* error);
/* Returns once t has passed for certain: from then on every now, anywhere, has latest_ns > t_ns. GNOMON_E_TOO_FAR at
   once if t is more than limit_ns (at most an hour) after the latest that it can be now. `passed` may be NULL. */
int gnomon_commit_wait(gnomon_client* client, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                       gnomon_error* error);
/* The same, waiting in a server. */
int gnomon_commit_wait_at_server(gnomon_client* client, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                                 gnomon_error* error);
/* A hybrid timestamp larger than `remote` (0: none) and than every one that this client was given before. */
int gnomon_hlc_update(gnomon_client* client, uint64_t remote, uint64_t* timestamp, gnomon_error* error);

/* TrueTime of a gnomond on this host, from its page in shared memory: no request, no system call. `instance`: NULL for
   "main". One clock for each thread; needs no client. */
int gnomon_clock_open(const char* instance, gnomon_clock** clock, gnomon_error* error);
int gnomon_clock_now(gnomon_clock* clock, gnomon_interval* now, gnomon_error* error);
/* As gnomon_commit_wait. */
int gnomon_clock_commit_wait(gnomon_clock* clock, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                             gnomon_error* error);
/* NULL is allowed. */
void gnomon_clock_close(gnomon_clock* clock);

/* Hybrid timestamps for messages by this process's own clock, from any thread: stamp what is sent, pass what is
   received. Each is larger than all before and than what was received. Needs no client. max_ahead_ns: how far a
   received one may be ahead of this host's clock (0: half a second), else GNOMON_E_TOO_FAR. */
int gnomon_stamper_open(uint64_t max_ahead_ns, gnomon_stamper** stamper, gnomon_error* error);
int gnomon_stamp_send(gnomon_stamper* stamper, uint64_t* timestamp, gnomon_error* error);
int gnomon_stamp_receive(gnomon_stamper* stamper, uint64_t remote, uint64_t* timestamp, gnomon_error* error);
/* NULL is allowed. */
void gnomon_stamper_close(gnomon_stamper* stamper);

typedef struct gnomon_fields {
  int64_t unix_time_ns; /* start of the ID's unit: smeared UTC, nanoseconds since 1970 */
  uint64_t sequence;
  uint16_t machine_id;
} gnomon_fields;

/* Takes an ID of a built-in layout apart; needs no client and no server. */
int gnomon_decode(uint16_t layout, uint64_t id, gnomon_fields* fields, gnomon_error* error);

/* "busy" for GNOMON_E_BUSY and so on; never NULL. */
const char* gnomon_code_text(int code);
/* NOLINTEND(readability-identifier-naming) */

#ifdef __cplusplus
}
#endif

#endif
