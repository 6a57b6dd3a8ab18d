#include "client/tenazctl/commands.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "client/tenazctl/table.h"

namespace tenaz::client {

namespace {

constexpr std::uint64_t kPage = 1000;
constexpr std::size_t kShownValue = 60;

std::optional<std::string> read_all(std::istream& in) {
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return std::nullopt;
  return text;
}

std::optional<std::string> value_to_put(const Arguments& arguments) {
  if (arguments.file.empty() && *arguments.value != "-") return arguments.value;
  errno = 0;
  std::optional<std::string> value;
  if (arguments.file.empty()) {
    value = read_all(std::cin);
  } else {
    std::ifstream in(arguments.file, std::ios::binary);
    if (in && in.peek() == std::ifstream::traits_type::eof() && !in.bad()) in.clear();
    if (in) value = read_all(in);
  }
  if (!value) {
    std::cerr << "tenazctl: " << (arguments.file.empty() ? "stdin" : arguments.file)
              << " cannot be read: " << std::strerror(errno != 0 ? errno : EIO) << '\n';
  }
  return value;
}

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

}  // namespace

int complain(const Error& error, const char* what) {
  std::cerr << "tenazctl: " << error.code << ": " << printable(error.detail) << '\n';
  if (error.outcome == Error::Outcome::unknown) {
    std::cerr << "tenazctl: it is not known whether the " << what << " was done, or still will be\n";
  }
  // Who answers 503 or 504 could be reached but could not do it either.
  const bool answered = error.status != 0 && error.status != 503 && error.status != 504;
  return answered && error.outcome == Error::Outcome::not_applied ? kRefused : kNoAnswer;
}

int print(std::string_view text) {
  std::cout.write(text.data(), static_cast<std::streamsize>(text.size()));
  std::cout.flush();
  if (std::cout) return kDone;
  std::cerr << "tenazctl: the output could not be written\n";
  return kRefused;
}

int print_line(std::string text) {
  text.push_back('\n');
  return print(text);
}

int put(Client& client, const Arguments& arguments) {
  const auto value = value_to_put(arguments);
  if (!value) return kUsage;
  const auto result =
      client.put(arguments.key, *value, {.if_match = arguments.if_match, .if_absent = arguments.if_absent});
  if (!result) return complain(result.error());
  if (arguments.output == Output::json) return print_line(result->json);
  return print_line((result->created ? "created, revision " : "replaced, revision ") + number(result->revision));
}

int get(Client& client, const Arguments& arguments) {
  const auto result = client.get(arguments.key, arguments.read);
  if (!result) return complain(result.error());
  if (arguments.output == Output::json) return print_line(result->json);
  // The value as it is; a line end is added only for a reader at a terminal.
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  return terminal ? print_line(result->item.value) : print(result->item.value);
}

int del(Client& client, const Arguments& arguments) {
  const auto result = arguments.whole_range ? client.del(arguments.range, arguments.max_keys)
                                            : client.del(arguments.key, arguments.if_match);
  if (!result) return complain(result.error());
  if (arguments.output == Output::json) return print_line(result->json);
  return print_line("deleted " + number(result->deleted) + ", revision " + number(result->revision));
}

int list(Client& client, const Arguments& arguments) {
  std::vector<KeyValue> items;
  boost::json::array json_items;
  std::uint64_t revision = 0;
  std::string cursor;
  do {
    const std::uint64_t wanted =
        arguments.limit == 0 ? kPage : std::min<std::uint64_t>(kPage, arguments.limit - items.size());
    const auto page = client.list(arguments.range, wanted, arguments.keys_only, cursor, arguments.read);
    if (!page) return complain(page.error());
    revision = page->revision;
    cursor = page->cursor;
    items.insert(items.end(), page->items.begin(), page->items.end());
    if (arguments.output == Output::json) {
      boost::json::value body = boost::json::parse(page->json);
      for (auto& item : body.as_object().at("items").as_array()) json_items.push_back(std::move(item));
    }
  } while (!cursor.empty() && (arguments.limit == 0 || items.size() < arguments.limit));

  if (arguments.output == Output::json) {
    return print_line(boost::json::serialize(boost::json::object{{"revision", revision}, {"items", json_items}}));
  }
  std::string keys;
  std::vector<std::vector<std::string>> rows = {{"KEY", "REVISION", "VERSION", "VALUE"}};
  for (const KeyValue& item : items) {
    if (arguments.keys_only) keys.append(printable(item.key)).push_back('\n');
    rows.push_back(
        {printable(item.key), number(item.mod_revision), number(item.version), printable(item.value, kShownValue)});
  }
  return print(arguments.keys_only ? keys : table(rows));
}

int status(Client& client, const Arguments& arguments) {
  std::vector<Result<NodeStatus>> answers;
  std::uint64_t commit = 0;
  for (std::size_t i = 0; i < client.endpoints(); ++i) {
    answers.push_back(client.status(i));
    if (answers.back()) commit = std::max(commit, answers.back()->commit_index);
  }

  int exit_code = kDone;
  boost::json::array nodes;
  std::vector<std::vector<std::string>> rows = {
      {"ENDPOINT", "NODE", "NAME", "ROLE", "TERM", "LEADER", "COMMIT", "APPLIED", "LAG", "REVISION"}};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string url = client.endpoint(i).url();
    if (!answers[i]) {
      exit_code = complain(answers[i].error());
      nodes.push_back({{"endpoint", url}, {"error", answers[i].error().code}});
      rows.push_back({url, "-", "-", answers[i].error().code});
      continue;
    }
    const NodeStatus& node = *answers[i];
    if (arguments.output == Output::json) {
      nodes.push_back({{"endpoint", url}, {"status", boost::json::parse(node.json)}});
    }
    // Behind what any of them knows to be committed.
    const std::uint64_t lag = commit - std::min(commit, node.applied_index);
    rows.push_back({url, number(node.node_id), printable(node.name), printable(node.role), number(node.term),
                    node.leader_id == 0 ? "-" : number(node.leader_id), number(node.commit_index),
                    number(node.applied_index), number(lag), number(node.revision)});
  }
  const int printed = arguments.output == Output::json ? print_line(boost::json::serialize(nodes)) : print(table(rows));
  return printed != kDone ? printed : exit_code;
}

int compact(Client& client, const Arguments& arguments) {
  const auto result = client.compact(arguments.compact_revision);
  if (!result) return complain(result.error(), "compaction");
  if (arguments.output == Output::json) return print_line(result->json);
  return print_line("compacted: the oldest revision held is " + number(result->compact_revision) + " of " +
                    number(result->revision));
}

int transfer(Client& client, const Arguments& arguments) {
  const auto result = client.transfer(arguments.node_id);
  if (!result) return complain(result.error());
  if (arguments.output == Output::json) return print_line(result->json);
  return print_line("node " + number(result->leader_id) + " leads");
}

}  // namespace tenaz::client
