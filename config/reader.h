// Turns TOML into fields, and remembers where each key stood, so that later checks can name lines.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"

namespace tenaz::config {

class Reader {
 public:
  Reader(Config& config, std::string file);

  // Fills the config. False: not TOML at all; nothing more is worth checking.
  bool read(std::string_view toml);

  // `message`: "key: what is allowed" as the rooms' options say it. Left out if the key, or another key that the
  // message names, is at fault already: a consequence is not a second fault.
  void fault(const std::string& message);

  bool given(const std::string& key) const { return found_.contains(key); }
  bool faulty(const std::string& key) const { return faulty_.contains(key); }

  // "file:line: key: ..." in the order of lines.
  std::vector<std::string> faults() const;

 private:
  struct Found {
    unsigned line;
    std::string text;  // what stood there
  };
  struct Toml;  // the part that knows the TOML library

  void add(unsigned line, const std::string& key, const std::string& text);
  // The same, and the key counts as faulty.
  void fault_at(unsigned line, const std::string& key, const std::string& text);
  // Where to point for a key that is not in the file: another key of the message, its table, or the file (0).
  unsigned line_for(const std::string& key, const std::string& message) const;

  Config& config_;
  const std::string file_;
  const std::vector<Key> keys_;
  std::map<std::string, Found> found_;  // by path, tables too
  std::set<std::string> faulty_;
  std::vector<std::string> meant_;               // by keys that are unknown
  std::multimap<unsigned, std::string> faults_;  // by line
};

}  // namespace tenaz::config
