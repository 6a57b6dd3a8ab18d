#include "tests/integration/harness/ledger.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <optional>
#include <utility>

namespace tenaz::harness {

namespace json = boost::json;

namespace {

constexpr int kShown = 5;  // broken promises of a kind that are spelled out

std::uint64_t number_in(const json::value& body, std::string_view field) {
  if (!body.is_object()) return 0;
  const json::value* value = body.as_object().if_contains({field.data(), field.size()});
  boost::system::error_code ec;
  const auto result = value == nullptr ? 0 : value->to_number<std::uint64_t>(ec);
  return ec ? 0 : result;
}

std::string percent_encoded(const std::string& text) {
  std::string result;
  for (const char c : text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    result += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return result;
}

}  // namespace

Ledger::Ledger(Cluster& cluster, int writers, std::string prefix, std::chrono::seconds patience)
    : cluster_(cluster), prefix_(std::move(prefix)), patience_(patience), writers_(static_cast<std::size_t>(writers)) {
  write_to(cluster.ids());
  int number = 0;
  for (Writer& writer : writers_) {
    writer.number = number++;
    writer.thread = std::thread([this, &writer] { write(writer); });
  }
}

Ledger::~Ledger() {
  stop();
}

void Ledger::stop() {
  stop_ = true;
  for (Writer& writer : writers_) {
    if (writer.thread.joinable()) writer.thread.join();
  }
}

void Ledger::write_to(const std::vector<int>& nodes) {
  const std::lock_guard lock(targets_mutex_);
  targets_.clear();
  for (const int id : nodes) targets_.push_back(cluster_.http_address(id));
  ++targets_version_;
}

Address Ledger::target(std::uint64_t number) const {
  const std::lock_guard lock(targets_mutex_);
  return targets_[number % targets_.size()];
}

bool Ledger::wait_progress(std::uint64_t writes, std::chrono::nanoseconds patience) const {
  const std::uint64_t goal = acknowledged_ + writes;
  return eventually([&] { return acknowledged_ >= goal; }, patience);
}

// Three writes in four go to a new key, the fourth to the writer's register.
void Ledger::write(Writer& writer) {
  const std::string own = prefix_ + std::to_string(writer.number);
  const std::string query = "?timeout=" + std::to_string(patience_.count()) + "s";
  std::uint64_t version = targets_version_;
  std::uint64_t next = static_cast<std::uint64_t>(writer.number);
  std::optional<HttpClient> client;
  for (std::uint64_t n = 1; !stop_; ++n) {
    const bool is_register = n % 4 == 0;
    const std::string key = is_register ? own + "/register" : own + "/" + std::to_string(n);
    if (const std::uint64_t now = targets_version_; std::exchange(version, now) != now) client.reset();
    if (!client) client.emplace(target(next), patience_ + std::chrono::seconds(7));
    const auto answer = client->request("PUT", "/v1/kv/" + key + query, std::to_string(n));
    if (answer && (answer->status == 200 || answer->status == 201)) {
      const std::uint64_t revision = number_in(answer->json(), "revision");
      writer.revisions.push_back(revision);
      if (is_register) {
        writer.register_value = n;
        writer.register_revision = revision;
      } else {
        writer.acknowledged[key] = revision;
      }
      ++acknowledged_;
      continue;
    }
    const bool refused = answer && answer->outcome() == "not_applied";
    if (is_register && !refused) writer.register_unknown.insert(n);
    if (!is_register && refused) writer.refused.insert(key);
    client.reset();
    ++next;
    ++failures_;
    if (!answer) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // do not spin on a closed port
  }
}

std::map<std::string, std::uint64_t> Ledger::list(int id) const {
  std::map<std::string, std::uint64_t> present;
  std::string cursor;
  do {
    const std::string target = "/v1/kv?prefix=" + percent_encoded(prefix_) + "&limit=10000&keys_only=true" +
                               (cursor.empty() ? "" : "&cursor=" + percent_encoded(cursor));
    const auto answer = cluster_.request(id, "GET", target);
    if (!answer || answer->status != 200) {
      ADD_FAILURE() << "node " << id << " does not list: " << (answer ? answer->body : "no answer");
      return present;
    }
    const json::value page = answer->json();
    const json::object& body = page.as_object();
    for (const json::value& item : body.at("items").as_array()) {
      present[std::string(item.as_object().at("key").as_string())] = number_in(item, "mod_revision");
    }
    const json::value* more = body.if_contains("cursor");
    cursor = more != nullptr && more->is_string() ? std::string(more->as_string()) : std::string();
  } while (!cursor.empty());
  return present;
}

void Ledger::check(int id) const {
  check_listed(id, list(id));
  check_registers(id);
  check_revisions();
}

void Ledger::check_listed(int id, const std::map<std::string, std::uint64_t>& present) const {
  int lost = 0, changed = 0, zombies = 0;
  for (const Writer& writer : writers_) {
    for (const auto& [key, revision] : writer.acknowledged) {
      const auto found = present.find(key);
      if (found == present.end()) {
        if (++lost <= kShown) ADD_FAILURE() << "node " << id << " lost the acknowledged write of " << key;
      } else if (found->second != revision && ++changed <= kShown) {
        ADD_FAILURE() << "node " << id << ": " << key << " is at revision " << found->second << ", acknowledged was "
                      << revision;
      }
    }
    for (const std::string& key : writer.refused) {
      if (present.contains(key) && ++zombies <= kShown) {
        ADD_FAILURE() << "node " << id << " holds " << key << ", of which it was said that it was not applied";
      }
    }
  }
  EXPECT_EQ(lost + changed + zombies, 0) << "of " << acknowledged_ << " acknowledged writes";
}

void Ledger::check_registers(int id) const {
  for (const Writer& writer : writers_) {
    if (writer.register_revision == 0) continue;
    const std::string key = prefix_ + std::to_string(writer.number) + "/register";
    const auto answer = cluster_.request(id, "GET", "/v1/kv/" + key);
    if (!answer || answer->status != 200) {
      ADD_FAILURE() << "node " << id << " does not answer for " << key;
      continue;
    }
    const std::uint64_t value = std::stoull(answer->body);
    const std::uint64_t revision = std::stoull(answer->header("ETag").substr(1));
    EXPECT_GE(revision, writer.register_revision) << "node " << id << ": " << key << " went back";
    EXPECT_TRUE(value == writer.register_value || writer.register_unknown.contains(value))
        << "node " << id << ": " << key << " holds " << value << ", last acknowledged was " << writer.register_value;
  }
}

void Ledger::check_revisions() const {
  std::set<std::uint64_t> all;
  for (const Writer& writer : writers_) {
    for (std::size_t i = 0; i < writer.revisions.size(); ++i) {
      EXPECT_TRUE(i == 0 || writer.revisions[i - 1] < writer.revisions[i])
          << "writer " << writer.number << ": revision " << writer.revisions[i] << " after " << writer.revisions[i - 1];
      EXPECT_TRUE(all.insert(writer.revisions[i]).second)
          << "revision " << writer.revisions[i] << " was answered twice";
    }
  }
}

}  // namespace tenaz::harness
