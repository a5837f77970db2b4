// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <iostream>

#include "cmd/gnomon/command_line.hpp"
#include "control/protobuf_log.hpp"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  try {
    gnomon::control::keep_protobuf_quiet();
    const gnomon::cmd::ExitCode code = gnomon::cmd::run_command_line(argc, argv, std::cin, std::cout, std::cerr);
    std::cout.flush();
    if (std::cout.fail() && code == gnomon::cmd::ExitCode::kOk) {
      std::cerr << "gnomon: the output could not be written\n";
      return gnomon::cmd::status_of(gnomon::cmd::ExitCode::kRefused);
    }
    return gnomon::cmd::status_of(code);
  } catch (const std::exception& error) {
    std::cerr << "gnomon: " << error.what() << '\n';
    return gnomon::cmd::status_of(gnomon::cmd::ExitCode::kRefused);
  }
}
