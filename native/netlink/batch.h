#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace vethwork {

/// Messages to be sent together, and the writer that makes them. An error sticks: writing goes on without effect,
/// and `error()` says what was wrong first.
class Batch {
 public:
  /// How the kernel answers a message.
  enum class Answer {
    /// With an outcome of its own.
    own,
    /// With a failure only, which is that of all messages: the start of an nftables batch.
    failure,
    /// Not reliably: the end of an nftables batch, which only newer kernels acknowledge.
    none,
  };

  /// Starts a message; the one before it is complete.
  void begin(std::uint16_t type, std::uint16_t flags, Answer answer = Answer::own);

  /// The family's fixed header, directly after `begin`.
  template <typename Header>
  void header(const Header& header) {
    static_assert(std::is_trivially_copyable_v<Header>);
    write(&header, sizeof header);
  }

  void put(std::uint16_t attribute, std::span<const std::uint8_t> payload);

  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void put(std::uint16_t attribute, const T& value) {
    put(attribute, std::span(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
  }

  /// A NUL-terminated string.
  void putText(std::uint16_t attribute, std::string_view text);
  void putFlag(std::uint16_t attribute) { put(attribute, std::span<const std::uint8_t>()); }

  /// A descriptor of a namespace, by the path under which it is found: open when the messages are sent, not before.
  void putNamespace(std::uint16_t attribute, std::string netns);

  /// An attribute that holds what is written until the scope ends.
  class Nest {
   public:
    Nest(Batch& batch, std::uint16_t attribute);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Batch& batch_;
    std::size_t start_;
  };

  /// `flagged` sets NLA_F_NESTED, which newer families insist on.
  [[nodiscard]] Nest nest(std::uint16_t attribute, bool flagged = true) {
    return {*this, static_cast<std::uint16_t>(attribute | (flagged ? NLA_F_NESTED : 0))};
  }

  /// Adds another batch's messages to these.
  void append(const Batch& other);

  /// Where a namespace's descriptor belongs.
  struct Gap {
    std::size_t offset;
    std::string netns;
  };
  [[nodiscard]] std::span<const Gap> gaps() const { return gaps_; }
  /// Puts a descriptor where the gap is.
  void fill(std::size_t gap, int fd);

  /// Adds flags to those that a message has already.
  void addFlags(std::size_t index, std::uint16_t flags);

  /// Numbers the messages in order and asks for an acknowledgement of the last one that gets an answer of its own: a
  /// failure is always reported.
  void seal(std::uint32_t firstSequence);

  [[nodiscard]] Answer answer(std::size_t index) const { return messages_[index].answer; }
  /// The message after whose answer none follows.
  [[nodiscard]] std::size_t lastAnswered() const;

  [[nodiscard]] std::size_t size() const { return messages_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }
  [[nodiscard]] std::optional<std::string_view> error() const { return error_; }

 private:
  struct Start {
    std::size_t offset;
    Answer answer;
  };

  void write(const void* data, std::size_t size);
  nlmsghdr messageHeader(std::size_t index) const;
  void setMessageHeader(std::size_t index, const nlmsghdr& header);

  std::vector<std::uint8_t> bytes_;
  std::vector<Start> messages_;
  std::vector<Gap> gaps_;
  std::optional<std::string_view> error_;
};

}  // namespace vethwork
