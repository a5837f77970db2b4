// SPDX-License-Identifier: Apache-2.0
//
// The first and only program of a guest machine: loads the kernel modules that it is given, waits for a PTP clock, runs
// a test program, sends its report to the host, and switches the machine off.
//
// There is no shell, no package and no disk in the guest, so what went wrong can only be said on the console; every
// failure ends with the line "guest: exit N" all the same, because the host would else wait for its time limit.
//
// What the kernel does not know of its own command line it puts into the environment, as NAME=VALUE, and so it reaches
// the test program (GTEST_FILTER).
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MODULES "/modules"        // loaded in the order of their names
#define PROGRAM "/program"        // the test
#define REPORT "/report.xml"      // that it writes
#define REPORT_LINE "/dev/ttyS1"  // to the host
#define CLOCK "/dev/ptp0"
#define CLOCK_WAIT_S 30
#define COULD_NOT 97  // exit status for what this program itself could not do

static void complain(const char* what, const char* whom) {
  printf("guest: cannot %s %s: %s\n", what, whom, strerror(errno));
}

static void mount_all(void) {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  mkdir("/tmp", 01777);
  if (mount("proc", "/proc", "proc", 0, NULL) != 0) complain("mount", "/proc");
  if (mount("sysfs", "/sys", "sysfs", 0, NULL) != 0) complain("mount", "/sys");
  if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) != 0) complain("mount", "/dev");
  mkdir("/dev/shm", 01777);
  if (mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL) != 0) complain("mount", "/dev/shm");
}

static int visible(const struct dirent* entry) { return entry->d_name[0] != '.'; }

static void load_modules(void) {
  struct dirent** names = NULL;
  const int count = scandir(MODULES, &names, visible, alphasort);
  for (int i = 0; i < count; ++i) {
    char path[512];
    snprintf(path, sizeof path, MODULES "/%s", names[i]->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    // One that finds no device of its own, as ptp_kvm on an emulated processor, is no failure: the tests ask for
    // devices.
    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) complain("load", path);
    if (fd >= 0) close(fd);
    free(names[i]);
  }
  free(names);
}

static int await_clock(void) {
  const struct timespec tenth = {0, 100000000};
  for (int i = 0; i < CLOCK_WAIT_S * 10; ++i) {
    if (access(CLOCK, F_OK) == 0) return 0;
    nanosleep(&tenth, NULL);
  }
  complain("find", CLOCK);
  return -1;
}

static int run_program(void) {
  char* arguments[] = {PROGRAM, "--gtest_color=no", "--gtest_output=xml:" REPORT, NULL};
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    execv(PROGRAM, arguments);
    complain("run", PROGRAM);
    fflush(NULL);
    _exit(COULD_NOT);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    complain("wait for", PROGRAM);
    return COULD_NOT;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void send_report(void) {
  const int from = open(REPORT, O_RDONLY | O_CLOEXEC);
  const int to = open(REPORT_LINE, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (from < 0 || to < 0) {
    complain("send", REPORT);
    return;
  }
  struct termios line;
  if (tcgetattr(to, &line) == 0) {
    cfmakeraw(&line);
    tcsetattr(to, TCSANOW, &line);
  }
  char piece[4096];
  for (ssize_t size = 0; (size = read(from, piece, sizeof piece)) > 0;)
    for (ssize_t sent = 0, n = 0; sent < size; sent += n)
      if ((n = write(to, piece + sent, (size_t)(size - sent))) <= 0) {
        complain("write to", REPORT_LINE);
        return;
      }
  tcdrain(to);
  close(to);
}

int main(void) {
  mount_all();
  load_modules();
  int status = COULD_NOT;
  if (await_clock() == 0) {
    status = run_program();
    send_report();
  }
  printf("guest: exit %d\n", status);
  fflush(NULL);
  tcdrain(STDOUT_FILENO);
  sync();
  reboot(RB_POWER_OFF);
  return status;
}
