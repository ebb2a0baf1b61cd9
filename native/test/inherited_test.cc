#include "netns/inherited.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

namespace {

constexpr int inherited = 200;

/// True if a program that is spawned with these actions has the descriptor.
bool childHasIt(const posix_spawn_file_actions_t& actions) {
  std::array<std::string, 3> words{"/bin/sh", "-c", "test -e /proc/self/fd/" + std::to_string(inherited)};
  std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  REQUIRE(::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), nullptr) == 0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

struct Actions {
  posix_spawn_file_actions_t value{};
  Actions() { ::posix_spawn_file_actions_init(&value); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&value); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
};

struct Inherited {
  Inherited() {
    const int opened = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(::dup2(opened, inherited) == inherited);
    ::close(opened);
  }
  ~Inherited() { ::close(inherited); }
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;
};

}  // namespace

TEST_CASE("a program inherits descriptors without FD_CLOEXEC, unless they are closed") {
  const Inherited fd;
  const Actions none;
  REQUIRE(childHasIt(none.value));

  SUBCASE("by the C library, where it can") {
    Actions actions;
    vethwork::closeInherited(actions.value);
    CHECK_FALSE(childHasIt(actions.value));
  }
  SUBCASE("one by one") {
    Actions actions;
    vethwork::closeOpened(actions.value);
    CHECK_FALSE(childHasIt(actions.value));
  }
}
