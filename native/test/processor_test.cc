#include "engine/processor.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <future>
#include <thread>

using namespace vethwork;

TEST_CASE("a thread leaves the processor that JavaScript was last seen on, if there is another") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  Processor processor;
  int noted = -1;
  std::thread([&] {
    noted = ::sched_getcpu();
    CPU_SET(static_cast<unsigned>(noted), &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    processor.note();
    Placement placement{.thread = ::gettid()};
    CHECK(processor.leave(placement) == (CPU_COUNT(&allowed) > 1));
    if (CPU_COUNT(&allowed) > 1) {
      CHECK(::sched_getcpu() != noted);
    } else {
      CHECK(::sched_getcpu() == noted);
    }
    std::thread([&] {
      // Born where the other may run.
      Placement born{.thread = ::gettid()};
      processor.forget(born);
      cpu_set_t now;
      REQUIRE(::sched_getaffinity(0, sizeof now, &now) == 0);
      CHECK(CPU_EQUAL(&now, &allowed));
    }).join();
    processor.forget(placement);
    cpu_set_t now;
    REQUIRE(::sched_getaffinity(0, sizeof now, &now) == 0);
    CHECK(CPU_EQUAL(&now, &allowed));
  }).join();
}

TEST_CASE("a thread that sleeps is told by another where to wake up") {
  cpu_set_t allowed;
  REQUIRE(::sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  if (CPU_COUNT(&allowed) < 2) {
    return;
  }
  std::promise<pid_t> asleep;
  std::promise<void> called;
  int woken = -1;
  std::thread sleeper([&] {
    asleep.set_value(::gettid());
    called.get_future().wait();
    woken = ::sched_getcpu();
  });
  Placement placement{.thread = asleep.get_future().get()};
  Processor processor;
  std::thread([&] {
    // Stays where it was noted.
    const int noted = ::sched_getcpu();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(noted), &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    processor.note();
    CHECK(processor.leave(placement));
    CHECK(placement.avoided == noted);
    called.set_value();
    sleeper.join();
    CHECK(woken != noted);
  }).join();
}
