// What each command of tenazctl does. Results go to stdout, words about failures to stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "client/client.h"

namespace tenaz::client {

// What scripts may rely on.
enum ExitCode : int {
  kDone = 0,
  kRefused = 1,  // or not found
  kUsage = 2,
  kNoAnswer = 3,  // nobody could be reached, or nobody who can answer now; a write may have been done if stderr says so
};

enum class Output { table, json };

struct Arguments {
  Output output = Output::table;
  ReadOptions read;
  std::string key;
  std::optional<std::string> value;  // "-": stdin
  std::string file;                  // that holds the value, or the backup
  std::optional<std::uint64_t> if_match;
  bool if_absent = false;
  Range range;
  bool whole_range = false;  // del: the range instead of a key
  std::uint64_t limit = 0;   // list: 0: all
  bool keys_only = false;
  std::optional<std::uint64_t> max_keys;
  std::uint64_t compact_revision = 0;
  std::uint64_t node_id = 0;  // transfer: 0: the best one
  NewMember member;           // member add
  std::optional<bool> lease_reads;
  std::string config;  // restore: of the new node
  std::optional<std::uint64_t> revision_gap;
};

int put(Client& client, const Arguments& arguments);
int get(Client& client, const Arguments& arguments);
int del(Client& client, const Arguments& arguments);
int list(Client& client, const Arguments& arguments);
int compact(Client& client, const Arguments& arguments);
int status(Client& client, const Arguments& arguments);
int transfer(Client& client, const Arguments& arguments);
int members(Client& client, const Arguments& arguments);
int add_member(Client& client, const Arguments& arguments);
int promote_member(Client& client, const Arguments& arguments);
int remove_member(Client& client, const Arguments& arguments);
int settings(Client& client, const Arguments& arguments);
int backup(Client& client, const Arguments& arguments);
int restore(Client& client, const Arguments& arguments);        // asks nobody
int verify_backup(Client& client, const Arguments& arguments);  // asks nobody

// What all of them share. Says on stderr why a call failed, and if that is so, that nobody knows what became of the
// `what`; the exit code.
int complain(const Error& error, const char* what = "write");
// Everything that is printed goes through these: a full disk behind a redirection must not look like success.
int print(std::string_view text);
int print_line(std::string text);

}  // namespace tenaz::client
