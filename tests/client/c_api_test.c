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
  CHECK(strcmp(gnomon_code_text(GNOMON_E_BUSY), "busy") == 0);
  CHECK(strcmp(gnomon_code_text(99), "unknown code") == 0 && strcmp(gnomon_code_text(0), "ok") == 0);
  gnomon_stream_close(stream);
  gnomon_close(client);
  gnomon_stream_close(NULL);
  gnomon_close(NULL);
  return failures != 0;
}
