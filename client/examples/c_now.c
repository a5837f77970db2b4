// SPDX-License-Identifier: Apache-2.0
// The time and how wrong it may be, from C: c_now 127.0.0.1:14666
#include <inttypes.h>
#include <stdio.h>

#include "client/gnomon.h"

int main(int argc, char** argv) {
  gnomon_options options = {0};
  gnomon_client* client = NULL;
  gnomon_interval now;
  gnomon_error error;
  options.servers = argc > 1 ? argv[1] : "127.0.0.1";
  int failed = gnomon_connect(&options, &client, &error) || gnomon_now(client, &now, &error);
  if (failed)
    fprintf(stderr, "%s: %s\n", gnomon_code_text(error.code), error.text);
  else
    printf("%" PRId64 "\n%" PRId64 "\n", now.earliest_ns, now.latest_ns);
  gnomon_close(client);
  return failed;
}
