#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "file/system_error.h"
#include "netns/inherited.h"
#include "netns/operations.h"
#include "schema/arguments.h"

namespace vethwork {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t defaultProcessTimeout = 10'000;
constexpr std::size_t maximumOutput = 16 << 10;

void checkProcess(const Map& arguments, Path& path) {
  {
    const auto scope = path.at("file");
    const Value& file = member(arguments, "file");
    if (const auto* text = file.as<std::string>();
        text == nullptr || !text->starts_with('/') || text->find('\0') != std::string::npos) {
      path.reject(file, "the absolute path of a program");
    }
  }
  if (const Value* timeout = given(arguments, "timeout")) {
    const auto scope = path.at("timeout");
    (void)integer(*timeout, path, 1, 600'000);
  }
  const auto scope = path.at("arguments");
  const Value& list = member(arguments, "arguments");
  const auto* items = list.as<List>();
  if (items == nullptr) {
    path.reject(list, "a list of texts");
  }
  for (const Value& item : *items) {
    if (string(item, path).find('\0') != std::string::npos) {
      path.reject(item, "a text without NUL");
    }
  }
}

struct SpawnActions {
  posix_spawn_file_actions_t value;
  SpawnActions() { ::posix_spawn_file_actions_init(&value); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&value); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

struct SpawnAttributes {
  posix_spawnattr_t value;
  SpawnAttributes() { ::posix_spawnattr_init(&value); }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&value); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
};

/// Spawns the child in the network namespace of the calling thread, in a new session, with default signal handlers.
pid_t spawn(const Map& arguments, int errorFd) {
  std::vector<std::string> words{*arguments.find("file")->as<std::string>()};
  for (const Value& item : *arguments.find("arguments")->as<List>()) {
    words.push_back(*item.as<std::string>());
  }
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  std::array<char*, 2> environment{path.data(), nullptr};

  SpawnActions actions;
  ::posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions.value, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions.value, errorFd, STDERR_FILENO);
  closeInherited(actions.value);
  SpawnAttributes attributes;
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes.value, &none);
  ::posix_spawnattr_setsigdefault(&attributes.value, &all);
  ::posix_spawnattr_setflags(&attributes.value, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t pid = 0;
  if (const int error =
          ::posix_spawn(&pid, argv[0], &actions.value, &attributes.value, argv.data(), environment.data());
      error != 0) {
    throwSystemError(error, argv[0]);
  }
  return pid;
}

/// Reads the available bytes. A daemon may keep the pipe open, so its end is not awaited.
void drain(int fd, std::string& into) {
  std::array<char, 4096> buffer;
  ssize_t size = 0;
  while ((size = ::read(fd, buffer.data(), buffer.size())) > 0) {
    if (into.size() < maximumOutput) {
      into.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }
}

Value run(const Map& arguments, Worker& worker) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throwSystemError(errno, "pipe");
  }
  UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  // Only this end is non-blocking: programs treat EAGAIN as an error.
  if (::fcntl(output.get(), F_SETFL, O_NONBLOCK) != 0) {
    throwSystemError(errno, "pipe");
  }
  const pid_t pid = spawn(arguments, input.get());
  input = UniqueFd();

  const auto* given = member(arguments, "timeout").as<std::int64_t>();
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  std::string errors;
  const auto deadline = Clock::now() + std::chrono::milliseconds(given == nullptr ? defaultProcessTimeout : *given);
  bool ended = false;
  bool cut = !process;
  while (!ended && !cut) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    std::array<pollfd, 3> waiting{{{.fd = process.get(), .events = POLLIN, .revents = 0},
                                   {.fd = worker.stopFd, .events = POLLIN, .revents = 0},
                                   {.fd = output ? output.get() : -1, .events = POLLIN, .revents = 0}}};
    (void)::poll(waiting.data(), waiting.size(), static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (waiting[2].revents != 0) {
      drain(output.get(), errors);
    }
    if ((waiting[2].revents & POLLHUP) != 0) {
      output = UniqueFd();
    }
    ended = (waiting[0].revents & POLLIN) != 0;
    cut = !ended && (left <= 0 || waiting[1].revents != 0);
  }
  if (cut) {
    // Kills the process group. Processes in the background have left it.
    ::kill(-pid, SIGKILL);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (output) {
    drain(output.get(), errors);
  }
  if (cut) {
    throwSystemError(ETIMEDOUT, "the program did not end before the time-out");
  }
  return Map{{"exitCode", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)}, {"stderr", errors}};
}

}  // namespace

OperationKinds processOperations() {
  static const std::array<OperationKind, 1> kinds{{{"process.run",
                                                    DirectOperation{.check = checkProcess, .run = run, .blocks = true},
                                                    {"netns", "file", "arguments", "timeout"}}}};
  return kinds;
}

}  // namespace vethwork
