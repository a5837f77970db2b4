// SPDX-License-Identifier: Apache-2.0
//
// The C header from a C program: every function, its happy way and its refusals. Run by examples_test with a server.
#include <stdio.h>
#include <string.h>

#include "client/gnomon.h"

static int failures = 0;

#define CHECK(condition)                                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, error.text); \
      ++failures;                                                                              \
    }                                                                                          \
  } while (0)

int main(int argc, char** argv) {
  gnomon_options options = {0};
  gnomon_error error = {0};
  gnomon_client* client = NULL;
  gnomon_stream* stream = NULL;
  gnomon_range range = {0};
  gnomon_ping_reply reply = {0};
  gnomon_fields fields = {0};
  gnomon_clock* clock = NULL;
  gnomon_stamper* stamper = NULL;
  gnomon_interval now = {0, 0};
  gnomon_interval passed = {0, 0};
  uint64_t stamp = 0;
  uint64_t later = 0;
  uint64_t id = 0;
  uint64_t ids[5000];

  if (argc < 2) return 2;
  CHECK(gnomon_connect(NULL, &client, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_connect(&options, &client, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(strstr(error.text, "server") != NULL);
  options.servers = "127.0.0.1:99999";
  CHECK(gnomon_connect(&options, &client, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(client == NULL);
  options.servers = argv[1];
  options.deadline_ns = UINT64_MAX;
  CHECK(gnomon_connect(&options, &client, NULL) == GNOMON_E_BAD_ARGUMENT);
  options.deadline_ns = 20000000000u;
  CHECK(gnomon_connect(&options, &client, &error) == GNOMON_OK);
  if (client == NULL) return 1;

  CHECK(gnomon_next_id(client, GNOMON_SNOWFLAKE, &id, &error) == GNOMON_OK && id != 0);
  CHECK(gnomon_next_id(client, GNOMON_SNOWFLAKE, NULL, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_next_id(client, 200, &id, &error) == GNOMON_E_BAD_FORMAT);
  CHECK(error.code == GNOMON_E_BAD_FORMAT && error.try_elsewhere == 0 && strlen(error.text) > 20);
  CHECK(gnomon_decode(GNOMON_SNOWFLAKE, id, &fields, &error) == GNOMON_OK && fields.machine_id == 1);
  CHECK(gnomon_decode(99, id, &fields, &error) == GNOMON_E_BAD_FORMAT);
  CHECK(gnomon_decode(GNOMON_JS53, UINT64_MAX, &fields, &error) == GNOMON_E_BAD_ARGUMENT);

  CHECK(gnomon_next_range(client, GNOMON_SNOWFLAKE, 10, &range, &error) == GNOMON_OK);
  CHECK(range.count >= 1 && range.count <= 10 && range.stride == 1 && range.first > id);
  CHECK(gnomon_next_range(client, GNOMON_SNOWFLAKE, 0, &range, &error) == GNOMON_E_BAD_COUNT);
  CHECK(gnomon_next_ids(client, GNOMON_SNOWFLAKE, ids, 5000, &error) == GNOMON_OK);
  for (int i = 1; i < 5000; ++i)
    CHECK(ids[i] > ids[i - 1]);

  CHECK(gnomon_ping(client, 0, &reply, &error) == GNOMON_OK);
  CHECK(reply.leased == 1 && reply.machine_id == 1 && reply.round_trip_ns > 0);
  CHECK(gnomon_ping(client, 1, &reply, &error) == GNOMON_E_BAD_ARGUMENT);

  CHECK(gnomon_stream_open(client, 0, 0, &stream, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_stream_open(client, GNOMON_SNOWFLAKE, 0, &stream, &error) == GNOMON_OK);
  for (int i = 0; i < 1000 && stream != NULL; ++i) {
    uint64_t next = 0;
    CHECK(gnomon_stream_next(stream, &next, &error) == GNOMON_OK && next > id);
    id = next;
  }
  CHECK(gnomon_now(NULL, &now, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_now(client, NULL, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_now(client, &now, &error) == GNOMON_OK && now.latest_ns - now.earliest_ns >= 3000000);
  CHECK(gnomon_commit_wait(client, now.latest_ns, 1000000000, &passed, &error) == GNOMON_OK);
  CHECK(passed.earliest_ns > now.latest_ns);
  CHECK(gnomon_commit_wait(client, passed.latest_ns, 1000000000, NULL, NULL) == GNOMON_OK);
  CHECK(gnomon_commit_wait(client, INT64_MAX, 1, &passed, &error) == GNOMON_E_TOO_FAR);
  CHECK(gnomon_commit_wait(client, 0, UINT64_MAX, &passed, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_now(client, &now, &error) == GNOMON_OK);
  CHECK(gnomon_commit_wait_at_server(client, now.latest_ns, 1000000000, &passed, &error) == GNOMON_OK);
  CHECK(passed.earliest_ns > now.latest_ns);
  CHECK(gnomon_hlc_update(client, 0, &stamp, &error) == GNOMON_OK && stamp > 0);
  CHECK(gnomon_hlc_update(client, stamp + 1000, &later, &error) == GNOMON_OK && later > stamp + 1000);
  CHECK(gnomon_hlc_update(client, UINT64_MAX, &later, &error) == GNOMON_E_TOO_FAR);

  CHECK(gnomon_clock_open("no-such-instance", &clock, &error) == GNOMON_E_UNREACHABLE && clock == NULL);
  CHECK(gnomon_clock_open("../etc/passwd", &clock, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_clock_now(NULL, &now, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_clock_commit_wait(NULL, 0, 0, NULL, &error) == GNOMON_E_BAD_ARGUMENT);
  gnomon_clock_close(NULL);

  CHECK(gnomon_stamper_open(UINT64_MAX, &stamper, &error) == GNOMON_E_BAD_ARGUMENT);
  CHECK(gnomon_stamper_open(0, &stamper, &error) == GNOMON_OK);
  CHECK(gnomon_stamp_send(stamper, &stamp, &error) == GNOMON_OK);
  CHECK(gnomon_stamp_receive(stamper, stamp + 5, &later, &error) == GNOMON_OK && later > stamp + 5);
  CHECK(gnomon_stamp_send(stamper, &stamp, &error) == GNOMON_OK && stamp > later);
  CHECK(gnomon_stamp_receive(stamper, UINT64_MAX, &later, &error) == GNOMON_E_TOO_FAR);
  gnomon_stamper_close(stamper);
  gnomon_stamper_close(NULL);

  CHECK(strcmp(gnomon_code_text(GNOMON_E_BUSY), "busy") == 0);
  CHECK(strcmp(gnomon_code_text(99), "unknown code") == 0 && strcmp(gnomon_code_text(0), "ok") == 0);
  gnomon_stream_close(stream);
  gnomon_close(client);
  gnomon_stream_close(NULL);
  gnomon_close(NULL);
  return failures != 0;
}
