// SPDX-License-Identifier: Apache-2.0
// One ID from C, taken apart: c_next_id 127.0.0.1:14666
#include <inttypes.h>
#include <stdio.h>

#include "client/gnomon.h"

int main(int argc, char** argv) {
  gnomon_options options = {0};
  gnomon_client* client = NULL;
  gnomon_fields fields;
  gnomon_error error;
  uint64_t id = 0;
  options.servers = argc > 1 ? argv[1] : "127.0.0.1";
  int failed = gnomon_connect(&options, &client, &error) || gnomon_next_id(client, GNOMON_SNOWFLAKE, &id, &error) ||
               gnomon_decode(GNOMON_SNOWFLAKE, id, &fields, &error);
  if (failed)
    fprintf(stderr, "%s: %s\n", gnomon_code_text(error.code), error.text);
  else
    printf("%" PRIu64 "\nmachine %u\nsequence %" PRIu64 "\n", id, (unsigned)fields.machine_id, fields.sequence);
  gnomon_close(client);
  return failed;
}
