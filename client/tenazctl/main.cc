// tenazctl: a tenaz cluster from the command line.
#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>

#include "client/tenazctl/commands.h"

namespace {

using tenaz::client::Arguments;
using tenaz::client::Client;
using tenaz::client::Consistency;
using tenaz::client::Output;

struct Settings {
  std::string endpoints{tenaz::client::kDefaultEndpoint};
  double timeout_seconds = 5;
  Arguments arguments;
  std::function<int(Client&, const Arguments&)> command;
};

constexpr const char* kFooter = R"(
Exit status: 0 done, 1 refused or not found, 2 usage, 3 no answer (for a write, stderr says whether it may have been done).
Keys that begin with "-" come after "--": tenazctl get -- -key)";

// In place of CLI::PositiveNumber, whose message counts to a number of 300 digits, and which takes a number that is too
// large for the largest.
CLI::Validator whole_number() {
  const auto check = [](const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool good = error == std::errc() && end == text.data() + text.size() && number > 0;
    return good ? std::string() : "found \"" + text + "\", must be a whole number from 1 to 18446744073709551615";
  };
  return CLI::Validator(check, "");
}

CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& text) { return text.empty() ? std::string("must not be empty") : std::string(); }, "");
}

// In place of CLI::CheckedTransformer, whose message shows numbers that nobody should type, and which takes them too.
template <class Meaning>
CLI::Validator one_of(std::map<std::string, Meaning> words) {
  return CLI::Validator(
      [words = std::move(words)](std::string& text) {
        const auto found = words.find(text);
        if (found != words.end()) {
          text = std::to_string(static_cast<int>(found->second));
          return std::string();
        }
        std::string choices;
        for (const auto& [word, meaning] : words) choices += (choices.empty() ? "" : " or ") + word;
        return "found \"" + text + "\", must be " + choices;
      },
      "");
}

CLI::Validator consistency() {
  return one_of<Consistency>({{"linearizable", Consistency::linearizable}, {"local", Consistency::local}});
}

void add_read_options(CLI::App& app, Arguments& a) {
  app.add_option("--consistency", a.read.consistency,
                 "linearizable (default), or local: the state of the node that is asked, as far as it is")
      ->transform(consistency())
      ->option_text("WORD");
  app.add_option("--revision", a.read.revision, "The state at this revision")->check(whole_number());
}

void add_range_options(CLI::App& app, Arguments& a, CLI::Option* prefix) {
  app.add_option("--start", a.range.start, "The first key")->excludes(prefix);
  app.add_option("--end", a.range.end, "The first key that no longer belongs to the range")->excludes(prefix);
}

void add_put(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& put = *app.add_subcommand("put", "Writes a value");
  put.add_option("key", a.key, "The key")->required()->type_name("KEY");
  auto* value = put.add_option("value", a.value, "The value; - reads it from stdin")->type_name("VALUE");
  auto* file = put.add_option("--file", a.file, "Reads the value from this file")->type_name("FILE")->excludes(value);
  auto* if_match = put.add_option("--if-match", a.if_match, "Only if the key was last changed in this revision");
  put.add_flag("--if-absent", a.if_absent, "Only if there is no such key")->excludes(if_match);
  put.final_callback([&settings, value, file] {
    if (value->count() == 0 && file->count() == 0) throw CLI::RequiredError("VALUE, - or --file");
    settings.command = tenaz::client::put;
  });
}

void add_get(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& get = *app.add_subcommand("get", "Prints a value, byte for byte");
  get.add_option("key", a.key, "The key")->required()->type_name("KEY");
  add_read_options(get, a);
  get.final_callback([&settings] { settings.command = tenaz::client::get; });
}

void add_del(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& del = *app.add_subcommand("del", "Deletes a key, or a range in one step; an absent key is no error");
  auto* key = del.add_option("key", a.key, "The key")->type_name("KEY");
  auto* prefix = del.add_option("--prefix", a.range.prefix, "Deletes all keys that begin so")->excludes(key);
  add_range_options(del, a, prefix);
  auto *start = del.get_option("--start"), *end = del.get_option("--end");
  auto* if_match = del.add_option("--if-match", a.if_match, "Only if the key was last changed in this revision");
  del.add_option("--max-keys", a.max_keys, "Delete nothing if the range holds more keys");
  del.final_callback([&settings, key, prefix, start, end, if_match] {
    Arguments& given = settings.arguments;
    const tenaz::client::Range& range = given.range;
    given.whole_range = prefix->count() > 0 || !range.start.empty() || !range.end.empty();
    if (given.whole_range == (key->count() > 0)) throw CLI::RequiredError("Either KEY or a range");
    // An unset shell variable must not delete the store.
    for (const auto& [option, text] :
         {std::pair(prefix, range.prefix), std::pair(start, range.start), std::pair(end, range.end)}) {
      if (option->count() > 0 && text.empty()) throw CLI::ValidationError(option->get_name(), "must not be empty");
    }
    if (given.whole_range ? if_match->count() > 0 : given.max_keys.has_value()) {
      throw CLI::ValidationError("--if-match is for a key, --max-keys for a range");
    }
    settings.command = tenaz::client::del;
  });
}

void add_list(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& list = *app.add_subcommand("list", "Lists keys and values in key order, all of them unless limited");
  auto* positional = list.add_option("prefix", a.range.prefix, "Only keys that begin so")->type_name("PREFIX");
  auto* prefix = list.add_option("--prefix", a.range.prefix, "The same")->excludes(positional);
  add_range_options(list, a, prefix);
  for (const char* bound : {"--start", "--end"}) positional->excludes(list.get_option(bound));
  list.add_option("--limit", a.limit, "At most so many")->check(whole_number());
  list.add_flag("--keys-only", a.keys_only, "Only the keys, one a line");
  add_read_options(list, a);
  list.final_callback([&settings] { settings.command = tenaz::client::list; });
}

void add_cluster_commands(CLI::App& app, Settings& settings) {
  app.add_subcommand("status", "Asks every endpoint how it fares")->final_callback([&settings] {
    settings.command = tenaz::client::status;
  });
  CLI::App& compact =
      *app.add_subcommand("compact", "Forgets what was overwritten or deleted before a revision; live values stay");
  compact.add_option("revision", settings.arguments.compact_revision, "The oldest revision to be kept")
      ->required()
      ->check(whole_number())
      ->type_name("REVISION");
  compact.final_callback([&settings] { settings.command = tenaz::client::compact; });
  CLI::App& transfer = *app.add_subcommand("transfer", "Hands leadership to a node");
  transfer.add_option("node", settings.arguments.node_id, "The node's id; by default the one that is closest behind")
      ->check(whole_number())
      ->type_name("NODE");
  transfer.final_callback([&settings] { settings.command = tenaz::client::transfer; });
}

void add_member_commands(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& members = *app.add_subcommand("members", "Lists who belongs to the cluster");
  members
      .add_option("--consistency", a.read.consistency, "linearizable (default), or local: as the node asked knows it")
      ->transform(consistency())
      ->option_text("WORD");
  members.final_callback([&settings] { settings.command = tenaz::client::members; });

  CLI::App& member = *app.add_subcommand("member", "Changes who belongs to the cluster: add, promote, remove");
  member.require_subcommand(1);
  member.fallthrough();
  const auto takes_id = [&a](CLI::App& command, const char* text) {
    command.add_option("id", a.member.id, text)->required()->check(whole_number())->type_name("ID");
  };

  CLI::App& add = *member.add_subcommand("add", "Admits a node that waits there, started with cluster.join");
  takes_id(add, "Its id, that no node of this cluster ever had");
  add.add_option("peer", a.member.peer, "Where other nodes reach it")->required()->type_name("PEER");
  add.add_option("client", a.member.client, "Where clients reach it")->required()->type_name("CLIENT");
  add.add_option("--name", a.member.name, "Shown in lists; default node-<ID>");
  add.add_flag("--learner", a.member.learner, "It does not vote until it is promoted");
  add.add_option("--replaces", a.member.replaces, "It takes the place of this node once it has caught up")
      ->check(whole_number())
      ->type_name("ID");
  add.final_callback([&settings] { settings.command = tenaz::client::add_member; });

  CLI::App& promote = *member.add_subcommand("promote", "Makes a learner a voter");
  takes_id(promote, "The learner");
  promote.final_callback([&settings] { settings.command = tenaz::client::promote_member; });

  CLI::App& remove =
      *member.add_subcommand("remove", "Removes a node for good: it stops, and its id is not used again");
  takes_id(remove, "The node");
  remove.final_callback([&settings] { settings.command = tenaz::client::remove_member; });
}

void add_settings_command(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& command = *app.add_subcommand("settings", "Shows or changes what holds for the whole cluster");
  command
      .add_option("--lease-reads", a.lease_reads,
                  "on: the leader answers reads by its lease, without asking the others; needs sound clocks")
      ->transform(one_of<bool>({{"on", true}, {"off", false}}))
      ->option_text("on|off");
  command.final_callback([&settings] { settings.command = tenaz::client::settings; });
}

void add_backup_commands(CLI::App& app, Settings& settings) {
  Arguments& a = settings.arguments;
  CLI::App& backup = *app.add_subcommand("backup", "Writes the whole state to a new file, and checks it");
  backup.add_option("file", a.file, "The file; there must be none of that name yet")
      ->required()
      ->check(not_empty())
      ->type_name("FILE");
  backup
      .add_option("--consistency", a.read.consistency,
                  "linearizable (default): all that was acknowledged before; or local: the state of the node that is "
                  "asked, as far as it is, without a majority too")
      ->transform(consistency())
      ->option_text("WORD");
  backup.final_callback([&settings] { settings.command = tenaz::client::backup; });

  CLI::App& verify = *app.add_subcommand("verify-backup", "Checks every byte of a backup, without a cluster");
  verify.add_option("file", a.file, "The file")->required()->type_name("FILE");
  verify.final_callback([&settings] { settings.command = tenaz::client::verify_backup; });

  CLI::App& restore = *app.add_subcommand(
      "restore", "Makes the data directory of a first node of a NEW cluster from a backup, on this machine, by tenazd");
  restore.add_option("file", a.file, "The backup; the same one for all first nodes")->required()->type_name("FILE");
  restore.add_option("--config", a.config, "The node's configuration; its data directory must be empty")
      ->required()
      ->type_name("FILE");
  restore
      .add_option("--revision-gap", a.revision_gap,
                  "By how much revisions are raised, 1000000000 unless given; the same on all nodes")
      ->check(whole_number())
      ->type_name("N");
  restore.final_callback([&settings] { settings.command = tenaz::client::restore; });
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tenaz::client;
  std::signal(SIGPIPE, SIG_IGN);  // a broken connection or pipe is an error code here, not the end

  Settings settings;
  CLI::App app("A tenaz cluster from the command line.", "tenazctl");
  app.set_version_flag("--version", "tenazctl " TENAZ_VERSION);
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--endpoints", settings.endpoints,
                 "Nodes to ask, separated by commas; tried in turn where that is safe")
      ->envname("TENAZ_ENDPOINTS")
      ->capture_default_str()
      ->type_name("URL,...");
  app.add_option("-o,--output", settings.arguments.output, "table (default) or json")
      ->transform(one_of<Output>({{"table", Output::table}, {"json", Output::json}}))
      ->option_text("FORMAT");
  app.add_option("--timeout", settings.timeout_seconds, "Seconds to wait for an answer")
      ->check(CLI::Range(0.001, 60.0))
      ->capture_default_str();
  add_put(app, settings);
  add_get(app, settings);
  add_del(app, settings);
  add_list(app, settings);
  add_cluster_commands(app, settings);
  add_member_commands(app, settings);
  add_settings_command(app, settings);
  add_backup_commands(app, settings);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const auto words = app.remaining(); app.get_subcommands().empty() && !words.empty()) {
      std::cerr << "tenazctl: there is no command \"" << words.front() << "\"; tenazctl --help lists them\n";
      return kUsage;
    }
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  const auto endpoints = parse_endpoints(settings.endpoints);
  if (!endpoints) {
    std::cerr << "tenazctl: --endpoints: found \"" << settings.endpoints
              << "\", must be http://host:port, or several separated by commas\n";
    return kUsage;
  }
  Client client({.endpoints = *endpoints,
                 .timeout = std::chrono::milliseconds(static_cast<std::int64_t>(settings.timeout_seconds * 1000))});
  return settings.command(client, settings.arguments);
}
