#include "schema/schema.h"

#include <algorithm>

namespace vethwork {

void Schema::encode(const Map& values, Encoder& to, std::span<const std::string_view> others) const {
  for (const Entry& entry : values.entries()) {
    if (entry.value.isNull()) {
      continue;
    }
    const auto field = std::ranges::find(fields_, entry.key, &Field::name);
    const auto scope = to.path.at(entry.key);
    if (field != fields_.end() ? field->presence == Presence::reported
                               : std::ranges::find(others, entry.key) == others.end()) {
      to.path.reject(entry.value, field != fields_.end() ? "nothing: it is read-only" : "no property of this name");
    }
  }
  for (const Field& field : fields_) {
    if (field.presence == Presence::alias) {
      continue;
    }
    const auto scope = to.path.at(field.name);
    if (const Value* value = values.find(field.name); value != nullptr && !value->isNull()) {
      field.codec->encode(*value, field.attribute, to);
    } else if (field.presence == Presence::required) {
      to.path.reject(Value(), "a value: it is required");
    }
  }
}

void Schema::decode(Span attributes, Map& into) const {
  AttributeReader reader(attributes);
  while (const auto attribute = reader.next()) {
    bool known = std::ranges::find(skipped_, attribute->type) != skipped_.end();
    for (const Field& field : fields_) {
      if (field.attribute != attribute->type) {
        continue;
      }
      known = true;
      if (Value value = field.codec->decode(attribute->payload); !value.isNull()) {
        into.set(field.name, std::move(value));
        break;
      }
    }
    if (!known) {
      into.set("attribute" + std::to_string(attribute->type),
               Bytes(attribute->payload.begin(), attribute->payload.end()));
    }
  }
}

}  // namespace vethwork
