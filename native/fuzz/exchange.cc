// Property: a request and a dump end with one outcome per message, which is success or an errno, for all answers of the
// kernel.
#include "netlink/exchange.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "netlink/trace.h"

using namespace vethwork;

namespace {

/// Answers with the input, split into datagrams by length bytes; then with nothing.
class Answers final : public Transport {
 public:
  explicit Answers(Span rest) : rest_(rest) {}

  int send(std::span<const std::uint8_t>) override { return 0; }

  std::int64_t receive(std::span<std::uint8_t> buffer) override {
    if (rest_.empty()) {
      return -EAGAIN;
    }
    const std::size_t length = std::min<std::size_t>(rest_.front(), rest_.size() - 1);
    std::ranges::copy(rest_.subspan(1, length), buffer.begin());
    rest_ = rest_.subspan(1 + length);
    return static_cast<std::int64_t>(length);
  }

 private:
  Span rest_;
};

void check(const Outcome& outcome) {
  if (outcome.error < 0) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Span input(data, size);
  {
    Answers answers(input);
    Exchange exchange(answers);
    Batch batch;
    batch.begin(16, 0, Batch::Answer::failure);
    batch.begin(17, 0);
    batch.begin(18, 0, Batch::Answer::none);
    const auto outcomes = exchange.request(batch, [&](std::size_t position, const Message&) {
      if (position >= batch.size()) {
        std::abort();
      }
    });
    if (outcomes.size() != batch.size()) {
      std::abort();
    }
    std::ranges::for_each(outcomes, check);
  }
  {
    Answers answers(input);
    Exchange exchange(answers);
    Batch batch;
    batch.begin(18, NLM_F_DUMP);
    check(exchange.dump(
        batch, [](const Message&) {}, [] {}));
  }
  MessageReader messages(input);
  while (const auto message = messages.next()) {
    (void)describeMessage(NETLINK_ROUTE, *message);
    (void)describeMessage(NETLINK_NETFILTER, *message);
  }
  return 0;
}
