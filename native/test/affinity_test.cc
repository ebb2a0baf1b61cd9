#include "engine/affinity.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <future>
#include <thread>

using namespace vethwork;

TEST_CASE("a thread avoids the processor of JavaScript if there is another") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  JavaScriptCpu processor;
  int noted = -1;
  std::thread([&] {
    noted = ::sched_getcpu();
    CPU_SET(static_cast<unsigned>(noted), &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    processor.record();
    Affinity affinity{.thread = ::gettid()};
    CHECK(processor.avoid(affinity) == (CPU_COUNT(&allowed) > 1));
    if (CPU_COUNT(&allowed) > 1) {
      CHECK(::sched_getcpu() != noted);
    } else {
      CHECK(::sched_getcpu() == noted);
    }
    std::thread([&] {
      // Inherits the restricted affinity.
      Affinity born{.thread = ::gettid()};
      processor.unrestrict(born);
      cpu_set_t now;
      REQUIRE(::sched_getaffinity(0, sizeof now, &now) == 0);
      CHECK(CPU_EQUAL(&now, &allowed));
    }).join();
    processor.unrestrict(affinity);
    cpu_set_t now;
    REQUIRE(::sched_getaffinity(0, sizeof now, &now) == 0);
    CHECK(CPU_EQUAL(&now, &allowed));
  }).join();
}

TEST_CASE("the affinity of a sleeping thread decides where it wakes up") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  if (CPU_COUNT(&allowed) < 2) {
    return;
  }
  std::promise<pid_t> asleep;
  std::promise<void> wakeup;
  int woken = -1;
  std::thread sleeper([&] {
    asleep.set_value(::gettid());
    wakeup.get_future().wait();
    woken = ::sched_getcpu();
  });
  Affinity affinity{.thread = asleep.get_future().get()};
  JavaScriptCpu processor;
  std::thread([&] {
    // Stays on the recorded processor.
    const int noted = ::sched_getcpu();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(noted), &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    processor.record();
    CHECK(processor.avoid(affinity));
    CHECK(affinity.avoided == noted);
    wakeup.set_value();
    sleeper.join();
    CHECK(woken != noted);
  }).join();
}
