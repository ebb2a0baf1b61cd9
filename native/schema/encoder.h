#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/batch.h"
#include "value/value.h"

namespace vethwork {

/// An invalid value. It becomes the `ValidationError` of JavaScript, with the same fields.
class ValidationError : public std::exception {
 public:
  ValidationError(std::string field, Value value, std::string expected)
      : field_(std::move(field)), value_(std::move(value)), expected_(std::move(expected)) {}

  [[nodiscard]] const char* what() const noexcept override { return expected_.c_str(); }
  [[nodiscard]] const std::string& field() const { return field_; }
  [[nodiscard]] const Value& value() const { return value_; }
  [[nodiscard]] const std::string& expected() const { return expected_; }

 private:
  std::string field_;
  Value value_;
  std::string expected_;
};

/// Path of the current argument, for errors. Segments are not copied: names are static or owned by the arguments.
class Path {
 public:
  class Scope {
   public:
    Scope(Path& path, std::string_view segment) : path_(path) { path.segments_.push_back(segment); }
    ~Scope() { path_.segments_.pop_back(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Path& path_;
  };

  [[nodiscard]] Scope at(std::string_view segment) { return {*this, segment}; }
  [[nodiscard]] std::string text() const;

  [[noreturn]] void reject(const Value& value, std::string_view expected) const;

 private:
  std::vector<std::string_view> segments_;
};

/// Formats `[3]`, the path segment of a list entry. The text must outlive the scope.
inline std::string listLabel(std::size_t position) { return '[' + std::to_string(position) + ']'; }

/// State of an encoder: the batch that it appends to, and the path of the current argument.
struct Encoder {
  Batch& batch;
  Path path = {};
};

}  // namespace vethwork
