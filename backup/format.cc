#include "backup/format.h"

namespace tenaz::backup {
namespace {

void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void put_text(std::string& out, std::string_view text) {
  put(out, text.size(), 4);
  out += text;
}

// Takes from the front of a payload; what is not there makes it bad for good.
class Parser {
 public:
  explicit Parser(std::string_view left) : left_(left) {}

  std::string_view bytes(std::uint64_t count) {
    if (count > left_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = left_.substr(0, static_cast<std::size_t>(count));
    left_.remove_prefix(taken.size());
    return taken;
  }
  std::uint64_t number(std::size_t width) {
    std::uint64_t value = 0;
    const std::string_view taken = bytes(width);
    for (std::size_t i = taken.size(); i > 0; --i) value = (value << 8) | static_cast<unsigned char>(taken[i - 1]);
    return value;
  }
  std::string text() { return std::string(bytes(number(4))); }
  bool done() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

}  // namespace

std::string encode(const Header& header) {
  std::string out = header.cluster_id;
  for (const std::uint64_t value : {header.node_id, header.applied_index, header.applied_term, header.term,
                                    header.revision, header.compact_revision, header.made_ms})
    put(out, value, 8);
  put(out, header.files, 4);
  put(out, header.file_bytes, 8);
  put_text(out, header.cluster_name);
  put_text(out, header.version);
  put(out, header.configuration_index, 8);
  put_text(out, header.configuration);
  return out;
}

std::optional<Header> decode_header(std::string_view payload) {
  Parser parser(payload);
  Header header;
  header.cluster_id = parser.bytes(16);
  for (std::uint64_t* value : {&header.node_id, &header.applied_index, &header.applied_term, &header.term,
                               &header.revision, &header.compact_revision, &header.made_ms})
    *value = parser.number(8);
  header.files = static_cast<std::uint32_t>(parser.number(4));
  header.file_bytes = parser.number(8);
  header.cluster_name = parser.text();
  header.version = parser.text();
  header.configuration_index = parser.number(8);
  header.configuration = parser.text();
  if (!parser.done()) return std::nullopt;
  return header;
}

std::string record_head(Kind kind, std::size_t payload_bytes) {
  std::string out(1, static_cast<char>(kind));
  put(out, payload_bytes, 4);
  return out;
}

bool safe_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string to_hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace tenaz::backup
