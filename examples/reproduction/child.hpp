#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>

/// Programs that this one runs, one at a time.
namespace examples {

namespace detail {

inline volatile std::sig_atomic_t stop_signal = 0;
inline std::atomic<pid_t> running_child = 0;
static_assert(std::atomic<pid_t>::is_always_lock_free);

extern "C" inline void stop_child(int signal) {
  stop_signal = signal;
  if (const pid_t child = running_child; child > 0) ::kill(child, SIGTERM);
}

}  // namespace detail

/// From now on SIGINT and SIGTERM end the child that runs, not this process: see stopped_by.
inline void stop_children_on_signals() {
  struct sigaction action {};
  action.sa_handler = detail::stop_child;  // without SA_RESTART
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

/// The signal that asked to stop, or 0.
inline int stopped_by() { return detail::stop_signal; }

/// Runs a program to its end. What it writes, to either stream, goes to this process' stderr; if this process is
/// killed, so is the program.
///
/// @param command  the program's path, and its arguments.
/// @return its exit code, or 128 and the number of the signal that ended it.
/// @throws lotar::IoError if it cannot be started.
inline int run_child(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw lotar::detail::system_error(command.front(), "cannot start");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it ended before it could be told
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    ::execv(arguments.front(), arguments.data());
    ::_exit(127);
  }
  detail::running_child = child;
  if (stopped_by() != 0) ::kill(child, SIGTERM);  // the signal came before there was a child
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw lotar::detail::system_error(command.front(), "cannot wait for it");
  detail::running_child = 0;
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  if (WEXITSTATUS(status) == 127) throw lotar::IoError(command.front(), "cannot be run");
  return WEXITSTATUS(status);
}

}  // namespace examples
