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

/// Encodes netlink messages that are sent together. Errors are sticky: after the first one, writing has no effect and
/// `error()` describes it.
class Batch {
 public:
  /// How the kernel acknowledges a message.
  enum class Answer {
    /// With an outcome of its own.
    own,
    /// On failure only, for the batch as a whole: the begin message of an nftables batch.
    failure,
    /// Not reliably: the end message of an nftables batch, which only newer kernels acknowledge.
    none,
  };

  /// Begins a message and ends the previous one.
  void begin(std::uint16_t type, std::uint16_t flags, Answer answer = Answer::own);

  /// Writes the fixed header of the family. To be called directly after `begin`.
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

  /// Writes a NUL-terminated string.
  void putText(std::uint16_t attribute, std::string_view text);
  void putFlag(std::uint16_t attribute) { put(attribute, std::span<const std::uint8_t>()); }

  /// Reserves an attribute for a namespace descriptor. The namespace is opened when the messages are sent.
  void putNamespace(std::uint16_t attribute, std::string netns);

  /// A nested attribute. It ends with the scope.
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

  /// Begins a nested attribute. `flagged` sets NLA_F_NESTED, which newer families require.
  [[nodiscard]] Nest nest(std::uint16_t attribute, bool flagged = true) {
    return {*this, static_cast<std::uint16_t>(attribute | (flagged ? NLA_F_NESTED : 0))};
  }

  /// Appends the messages of another batch.
  void append(const Batch& other);

  /// Position of a namespace descriptor that is not open yet.
  struct DescriptorSlot {
    std::size_t offset;
    std::string netns;
  };
  [[nodiscard]] std::span<const DescriptorSlot> slots() const { return slots_; }
  /// Writes a descriptor into a slot.
  void fill(std::size_t slot, int fd);

  /// Adds flags to a message.
  void addFlags(std::size_t index, std::uint16_t flags);

  /// Sets the sequence numbers, and NLM_F_ACK on the last message that has an outcome of its own. Failures are always
  /// reported.
  void seal(std::uint32_t firstSequence);

  [[nodiscard]] Answer answer(std::size_t index) const { return messages_[index].answer; }
  /// Index of the last message that is acknowledged.
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
  std::vector<DescriptorSlot> slots_;
  std::optional<std::string_view> error_;
};

}  // namespace vethwork
