#include "schema/encoder.h"

namespace vethwork {

std::string Path::text() const {
  std::string text;
  for (const std::string_view segment : segments_) {
    if (!text.empty() && !segment.starts_with('[')) {
      text += '.';
    }
    text += segment;
  }
  return text;
}

void Path::reject(const Value& value, std::string_view expected) const {
  throw ValidationError(text(), value, std::string(expected));
}

}  // namespace vethwork
