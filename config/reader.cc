#include "config/reader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "config/units.h"

namespace tenaz::config {

namespace {

constexpr std::string_view kMembers = "cluster.members";
constexpr std::uint64_t kMaxId = (1ULL << 53) - 1;
constexpr std::size_t kMaxMembers = 31;
constexpr std::size_t kShownText = 80;

// Named in the documents, but not part of this version.
constexpr std::array<std::string_view, 4> kLater = {"failure_detector", "voted_reads", "tls", "fault_injection"};

unsigned line_of(const toml::source_region& source) {
  return source.begin.line;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, kShownText)) out.push_back(static_cast<unsigned char>(c) < 0x20 ? '?' : c);
  return out.append(text.size() > kShownText ? "...\"" : "\"");
}

std::string describe(const toml::node& node) {
  if (const auto* text = node.as_string()) return quoted(text->get());
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  if (node.is_floating_point()) return "a number with a fraction";
  return "a date or time";
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

// The one that was probably meant; empty if none comes near.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
  if (name.size() > 64) return {};
  const auto best = std::min_element(known.begin(), known.end(),
                                     [&](auto a, auto b) { return edit_distance(name, a) < edit_distance(name, b); });
  return edit_distance(name, *best) <= std::max<std::size_t>(2, name.size() / 4) ? *best : std::string_view();
}

// Whether `text` speaks of exactly this key, not of a longer or deeper one of which it is a part.
bool names(std::string_view text, std::string_view key) {
  auto part_of_word = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const std::size_t end = at + key.size();
    const bool starts = at == 0 || (!part_of_word(text[at - 1]) && text[at - 1] != '.');
    if (starts && (end == text.size() || !part_of_word(text[end]))) return true;
  }
  return false;
}

// Sets the field; nothing if it did, else what is allowed there.
struct Assign {
  const toml::node& node;

  std::string operator()(std::string* field) const {
    const auto* text = node.as_string();
    if (!text) return "must be a string";
    *field = text->get();
    return {};
  }
  std::string operator()(bool* field) const {
    const auto* flag = node.as_boolean();
    if (!flag) return "must be true or false";
    *field = flag->get();
    return {};
  }
  std::string operator()(Id field) const {
    const auto* integer = node.as_integer();
    if (!integer || integer->get() < 1 || static_cast<std::uint64_t>(integer->get()) > kMaxId) {
      return "must be an integer, 1 to " + std::to_string(kMaxId);
    }
    *field.value = static_cast<std::uint64_t>(integer->get());
    return {};
  }
  std::string operator()(Count field) const {
    const auto* integer = node.as_integer();
    if (!integer || integer->get() < 0) return "must be an integer, not negative";
    *field.value = static_cast<std::size_t>(integer->get());
    return {};
  }
  std::string operator()(Size field) const {
    const auto* text = node.as_string();
    const auto size = text ? parse_size(text->get()) : std::nullopt;
    if (!size) return "must be a string of a number and B, KiB, MiB, GiB or TiB, such as \"64MiB\"";
    *field.value = *size;
    return {};
  }
  std::string operator()(Duration field) const {
    const auto* text = node.as_string();
    const auto duration = text ? parse_duration(text->get()) : std::nullopt;
    if (!duration) return "must be a string of a number and ns, us, ms, s, m or h, such as \"50ms\"";
    *field.value = *duration;
    return {};
  }
  std::string operator()(Texts field) const {
    const auto* array = node.as_array();
    if (!array || !std::all_of(array->begin(), array->end(), [](const auto& n) { return n.is_string(); })) {
      return "must be an array of strings";
    }
    for (const auto& text : *array) field.value->push_back(text.as_string()->get());
    return {};
  }
};

std::vector<std::string_view> tables_of(const std::vector<Key>& keys) {
  std::vector<std::string_view> tables;
  for (const Key& key : keys) {
    if (std::find(tables.begin(), tables.end(), key.table) == tables.end()) tables.push_back(key.table);
  }
  return tables;
}

}  // namespace

struct Reader::Toml {
  Reader& reader;

  void unknown(const toml::key& key, const std::string& parent, const char* what,
               const std::vector<std::string_view>& known) {
    const std::string path = parent + std::string(key.str());
    const unsigned line = line_of(key.source());
    if (std::find(kLater.begin(), kLater.end(), path) != kLater.end()) {
      reader.add(line, path, "this version of tenaz does not have it");
      return;
    }
    std::string text = std::string("unknown ") + what;
    if (const std::string_view meant = nearest(key.str(), known); !meant.empty()) {
      text.append(", did you mean ").append(meant).append("?");
      reader.meant_.push_back(parent + std::string(meant));
    } else {
      text.append(", allowed here:");
      for (const std::string_view k : known) text.append(" ").append(k);
    }
    reader.add(line, path, text);
  }

  void read_top(const toml::table& top) {
    const std::vector<std::string_view> tables = tables_of(reader.keys_);
    for (const auto& [key, node] : top) {
      const std::string name(key.str());
      if (std::find(tables.begin(), tables.end(), name) == tables.end()) {
        unknown(key, "", node.is_table() ? "table" : "key", tables);
      } else if (const toml::table* table = node.as_table()) {
        // A table written by dotted keys has no place of its own.
        reader.found_[name] = {std::max(line_of(table->source()), line_of(key.source())), {}};
        read_table(*table, name);
      } else {
        reader.fault_at(line_of(key.source()), name, "found " + describe(node) + ", must be a table [" + name + "]");
      }
    }
  }

  void read_table(const toml::table& table, const std::string& name) {
    std::vector<Key> keys;
    for (const Key& key : reader.keys_) {
      if (key.table == name) keys.push_back(key);
    }
    for (const auto& [key, node] : table) {
      const std::string path = name + "." + std::string(key.str());
      if (path == kMembers) {
        read_members(node, line_of(key.source()));
      } else {
        read_key(key, node, path, keys);
      }
    }
  }

  void read_key(const toml::key& key, const toml::node& node, const std::string& path, const std::vector<Key>& keys) {
    const auto known = std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return k.name == key.str(); });
    if (known == keys.end()) {
      std::vector<std::string_view> known_names;
      for (const Key& k : keys) known_names.push_back(k.name);
      if (keys.front().table == "cluster") known_names.push_back("members");
      unknown(key, path.substr(0, path.size() - key.str().size()), "key", known_names);
      return;
    }
    const unsigned line = line_of(key.source());
    reader.found_[path] = {line, describe(node)};
    const std::string allowed = std::visit(Assign{node}, known->field);
    if (allowed.empty() && node.is_array()) {
      const toml::array& array = *node.as_array();
      for (std::size_t i = 0; i < array.size(); ++i) {
        reader.found_[path + "[" + std::to_string(i) + "]"] = {line_of(array[i].source()), describe(array[i])};
      }
    }
    if (!allowed.empty()) reader.fault_at(line, path, "found " + describe(node) + ", " + allowed);
  }

  void read_members(const toml::node& node, unsigned line) {
    const std::string path(kMembers);
    reader.found_[path] = {line, describe(node)};
    const toml::array* array = node.as_array();
    const bool tables = array && std::all_of(array->begin(), array->end(), [](const auto& n) { return n.is_table(); });
    if (!tables || array->empty() || array->size() > kMaxMembers) {
      reader.fault_at(line, path,
                      "found " + (tables ? std::to_string(array->size()) + " members" : describe(node)) +
                          ", must be 1 to " + std::to_string(kMaxMembers) + " tables [[cluster.members]]");
      return;
    }
    reader.config_.cluster.members.resize(array->size());
    for (std::size_t i = 0; i < array->size(); ++i) {
      read_member(*array->get(i)->as_table(), path + "[" + std::to_string(i) + "]", reader.config_.cluster.members[i]);
    }
  }

  void read_member(const toml::table& table, const std::string& path, Member& member) {
    reader.found_[path] = {line_of(table.source()), {}};
    const std::vector<Key> keys = keys_of(member);
    for (const auto& [key, node] : table) read_key(key, node, path + "." + std::string(key.str()), keys);
  }
};

Reader::Reader(Config& config, std::string file) : config_(config), file_(std::move(file)), keys_(keys_of(config)) {}

bool Reader::read(std::string_view toml) {
  try {
    const toml::table top = toml::parse(toml, file_);
    Toml{*this}.read_top(top);
    // That a misspelt key is missing is a consequence; one that stands there too is checked like any other.
    for (const std::string& key : meant_) {
      if (!given(key)) faulty_.insert(key);
    }
    return true;
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    faults_.emplace(at.line, file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                                 ": not valid TOML: " + std::string(error.description()));
    return false;
  }
}

void Reader::add(unsigned line, const std::string& key, const std::string& text) {
  const std::string where = line == 0 ? file_ : file_ + ":" + std::to_string(line);
  std::string shown = key.substr(0, 2 * kShownText);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  faults_.emplace(line, where + ": " + shown + ": " + text);
}

void Reader::fault_at(unsigned line, const std::string& key, const std::string& text) {
  faulty_.insert(key);
  add(line, key, text);
}

void Reader::fault(const std::string& message) {
  for (const std::string& other : faulty_) {
    if (names(message, other)) return;
  }
  const std::size_t colon = message.find(": ");
  const std::string key = message.substr(0, colon);
  const std::string allowed = message.substr(colon + 2);
  std::string found;
  if (const auto it = found_.find(key); it != found_.end()) {
    if (!it->second.text.empty()) found = "found " + it->second.text + ", ";
  } else if (const auto known = std::find_if(keys_.begin(), keys_.end(), [&](const Key& k) { return k.path() == key; });
             known != keys_.end() && allowed.starts_with("must be")) {
    found = "is " + format_value(known->field) + " unless given, ";
  }
  fault_at(line_for(key, message), key, found + allowed);
}

unsigned Reader::line_for(const std::string& key, const std::string& message) const {
  if (const auto it = found_.find(key); it != found_.end()) return it->second.line;
  for (const auto& [other, found] : found_) {
    if (!found.text.empty() && names(message, other)) return found.line;
  }
  const auto table = found_.find(key.substr(0, key.rfind('.')));
  return table == found_.end() ? 0 : table->second.line;
}

std::vector<std::string> Reader::faults() const {
  std::vector<std::string> texts;
  for (const auto& [line, text] : faults_) texts.push_back(text);
  return texts;
}

}  // namespace tenaz::config
