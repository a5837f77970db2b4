// SPDX-License-Identifier: Apache-2.0
#include "tests/support/network_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace gnomon::support {
namespace {

constexpr std::chrono::seconds kCarrierLimit{5};

[[noreturn]] void fail(int code, const std::string& what) {
  throw std::system_error(code, std::generic_category(), what);
}

platform::UniqueFd namespace_of_this_thread() {
  return platform::UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

std::string in_words(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments)
    text += (text.empty() ? "" : " ") + argument;
  return text;
}

// /proc/sys/net shows the namespace of the thread that looks, so the caller is inside. A kernel without IPv6 has no
// such file, and nothing to be told.
void set_ipv6(const std::string& interface, const std::string& key, int value) {
  const std::filesystem::path file = std::filesystem::path("/proc/sys/net/ipv6/conf") / interface / key;
  if (!std::filesystem::exists(file)) return;
  std::ofstream out(file);
  out << value << '\n';
  out.close();
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

// Before the interface comes up, because the kernel starts talking at once when it does.
void prepare(const VethEnd& end) {
  const InNamespace inside(end.where);
  if (end.addresses.empty()) {
    set_ipv6(end.name, "disable_ipv6", 1);
  } else {
    set_ipv6(end.name, "accept_dad", 0);
    set_ipv6(end.name, "router_solicitations", 0);
  }
  if (!end.mac.empty()) end.where.must_run({"ip", "link", "set", end.name, "address", end.mac});
  end.where.must_run({"ip", "link", "set", end.name, "mtu", std::to_string(end.mtu)});
}

void bring_up(const VethEnd& end) {
  end.where.must_run({"ip", "link", "set", end.name, "up"});
  if (end.addresses.empty()) return;
  for (const std::string& address : end.addresses) {
    std::vector<std::string> command{"ip", "address", "add", address, "dev", end.name};
    if (address.find(':') != std::string::npos) command.emplace_back("nodad");
    end.where.must_run(command);
  }
  // A veth passes half-made checksums on to its peer, which takes them on trust if it is a kernel and sees them as
  // wrong if it is anybody else.
  end.where.must_run({"ethtool", "-K", end.name, "tx", "off"});
}

void wait_for_carrier(const VethEnd& end) {
  const auto until = std::chrono::steady_clock::now() + kCarrierLimit;
  while (end.where.run({"ip", "-o", "link", "show", end.name, "up"}).text.find("LOWER_UP") == std::string::npos) {
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error(end.name + " has no carrier");
    nap(5);
  }
}

// Empty if all is there.
std::string missing_here() {
  for (const char* program : {"ip", "ethtool"})
    if (find_program(program).empty()) return std::string(program) + " is not installed";
  try {
    const NetworkNamespace a;
    const NetworkNamespace b;
    connect({.where = a, .name = "va", .addresses = {"192.0.2.1/24"}}, {.where = b, .name = "vb"});
  } catch (const std::system_error& error) {
    if (error.code().value() == EPERM) return "network namespaces take root (CAP_SYS_ADMIN)";
    return std::string("no network namespaces here: ") + error.what();
  } catch (const std::runtime_error& error) {
    return std::string("no network namespaces here: ") + error.what();
  }
  return {};
}

}  // namespace

NetworkNamespace::NetworkNamespace() {
  // On a thread of its own, so that no failure leaves the caller inside.
  int failed = 0;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) fd_ = namespace_of_this_thread();
    if (!fd_.valid()) failed = errno;
  }).join();
  if (!fd_.valid()) fail(failed, "a new network namespace");
  must_run({"ip", "link", "set", "lo", "up"});
}

bool NetworkNamespace::available(std::string* why) {
  static const std::string kMissing = missing_here();
  if (why != nullptr) *why = kMissing;
  return kMissing.empty();
}

std::string NetworkNamespace::path() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
}

Output NetworkNamespace::run(std::vector<std::string> arguments, std::chrono::milliseconds limit) const {
  if (arguments.at(0).find('/') == std::string::npos) {
    const std::string found = find_program(arguments[0]);
    if (found.empty()) throw std::runtime_error(arguments[0] + " is not installed");
    arguments[0] = found;
  }
  return run_program(arguments, {}, limit, {.network_namespace = fd_.get()});
}

void NetworkNamespace::must_run(const std::vector<std::string>& arguments) const {
  const Output output = run(arguments);
  if (output.exit.code != 0) throw std::runtime_error("'" + in_words(arguments) + "' failed: " + output.text);
}

InNamespace::InNamespace(const NetworkNamespace& where) : before_(namespace_of_this_thread()) {
  if (!before_.valid()) fail(errno, "the present network namespace");
  if (setns(where.fd(), CLONE_NEWNET) != 0) fail(errno, "entering a network namespace");
}

InNamespace::~InNamespace() {
  // To go on in the wrong network would be worse than to end here.
  if (setns(before_.get(), CLONE_NEWNET) != 0) std::terminate();
}

void connect(const VethEnd& a, const VethEnd& b) {
  a.where.must_run({"ip", "link", "add", a.name, "type", "veth", "peer", "name", b.name, "netns", b.where.path()});
  for (const VethEnd* end : {&a, &b})
    prepare(*end);
  for (const VethEnd* end : {&a, &b})
    bring_up(*end);
  for (const VethEnd* end : {&a, &b})
    wait_for_carrier(*end);
}

}  // namespace gnomon::support
