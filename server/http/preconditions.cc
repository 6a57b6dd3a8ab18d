#include "server/http/preconditions.h"

#include <charconv>

namespace tenaz::server::http {
namespace {

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
}

// RFC 9110 section 8.8.3: etagc = %x21 / %x23-7E / obs-text
bool is_tag_character(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u == 0x21 || (u >= 0x23 && u != 0x7F);
}

void add_tag(std::string_view tag, TagList& tags) {
  std::uint64_t revision = 0;
  const auto [end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), revision);
  if (error != std::errc{} || revision == 0 || tag.front() == '0') {
    return;
  }
  const std::string_view rest = tag.substr(static_cast<std::size_t>(end - tag.data()));
  if (rest.empty()) {
    tags.raw.push_back(revision);
  } else if (rest == "-json") {
    tags.json.push_back(revision);
  }
}

}  // namespace

std::optional<TagList> parse_tags(std::string_view field) {
  TagList tags;
  bool some = false;
  for (;;) {
    skip_blanks(field);
    if (field.empty()) {
      break;
    }
    if (field.front() == ',') {
      field.remove_prefix(1);
      continue;
    }
    if (field.front() == '*') {
      field.remove_prefix(1);
      skip_blanks(field);
      if (some || !field.empty()) {
        return std::nullopt;
      }
      tags.any = true;
      return tags;
    }
    const bool weak = field.starts_with("W/");
    if (weak) {
      field.remove_prefix(2);
    }
    if (field.empty() || field.front() != '"') {
      return std::nullopt;
    }
    std::size_t end = 1;
    while (end < field.size() && is_tag_character(field[end])) {
      ++end;
    }
    if (end == field.size() || field[end] != '"') {
      return std::nullopt;
    }
    if (!weak && end > 1) {
      add_tag(field.substr(1, end - 1), tags);
    }
    some = true;
    field.remove_prefix(end + 1);
    skip_blanks(field);
    if (!field.empty() && field.front() != ',') {
      return std::nullopt;
    }
  }
  return some ? std::optional{tags} : std::nullopt;
}

}  // namespace tenaz::server::http
