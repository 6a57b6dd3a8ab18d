#include "client/client.h"

#include <algorithm>

#include "client/answer.h"

namespace tenaz::client {

namespace {

// Beyond the time that a node was given, so that its word on a late write still arrives.
constexpr std::chrono::milliseconds kGrace{1000};
constexpr std::chrono::milliseconds kShortestAttempt{1000};
// A node that makes a backup writes out its state first.
constexpr std::chrono::milliseconds kBackupSilence{60'000};

std::string percent_encoded(std::string_view bytes, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : bytes) {
    const bool letter = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9');
    if (letter || c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/')) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return out;
}

std::string key_target(std::string_view key) {
  return "/v1/kv/" + percent_encoded(key, true);
}

void add_parameter(std::string& target, const char* name, std::string_view value) {
  target.append(target.find('?') == std::string::npos ? "?" : "&");
  target.append(name).append("=").append(percent_encoded(value, false));
}

void add_range(std::string& target, const Range& range) {
  if (!range.prefix.empty()) add_parameter(target, "prefix", range.prefix);
  if (!range.start.empty()) add_parameter(target, "start", range.start);
  if (!range.end.empty()) add_parameter(target, "end", range.end);
}

void add_read_options(std::string& target, const ReadOptions& options) {
  if (options.consistency == Consistency::local) add_parameter(target, "consistency", "local");
  if (options.revision) add_parameter(target, "revision", std::to_string(*options.revision));
}

Error no_answer(const Endpoint& endpoint, const Broken& broken, bool write) {
  return {.status = 0,
          .code = broken.sent ? "no_answer" : "unreachable",
          .detail = endpoint.url() + ": " + broken.reason,
          .outcome = write && broken.sent ? Error::Outcome::unknown : Error::Outcome::not_applied};
}

bool busy(int status) {
  return status == 429 || status >= 500;
}

std::string etag(std::uint64_t revision) {
  return '"' + std::to_string(revision) + '"';
}

}  // namespace

Client::Client(Options options) : options_(std::move(options)) {
  for (const Endpoint& endpoint : options_.endpoints) connections_.emplace_back(endpoint);
}

Result<Response> Client::read(Request request) {
  const auto deadline = std::chrono::steady_clock::now() + options_.timeout;
  const std::string target = request.target;
  std::optional<Error> failure;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const std::size_t at = (first_ + i) % connections_.size();
    // A node that hangs must not use up the time of those that would answer.
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto share = left / static_cast<int>(connections_.size() - i);
    const auto timeout = std::min(std::max(share, kShortestAttempt), std::max(options_.timeout, share));
    request.target = target;
    add_parameter(request.target, "timeout", std::to_string(timeout.count()) + "ms");

    auto attempt = connections_[at].exchange(request, std::min(options_.connect_timeout, timeout), timeout + kGrace);
    if (const auto* response = std::get_if<Response>(&attempt)) {
      if (response->status < 300) {
        first_ = at;
        return *response;
      }
      failure = read_problem(*response, false);
      if (!busy(response->status)) {
        first_ = at;
        return *failure;
      }
    } else if (!failure || failure->status == 0) {  // a node's own word says more than a broken connection
      failure = no_answer(connections_[at].endpoint(), std::get<Broken>(attempt), false);
    }
  }
  return *failure;
}

Result<Response> Client::write(Request request) {
  std::optional<Error> failure;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const std::size_t at = (first_ + i) % connections_.size();
    auto attempt = connections_[at].exchange(request, options_.connect_timeout, options_.timeout + kGrace);
    if (const auto* response = std::get_if<Response>(&attempt)) {
      if (response->status < 300) {
        first_ = at;
        return *response;
      }
      failure = read_problem(*response, true);
      const bool safe = failure->outcome == Error::Outcome::not_applied;
      if (!safe || (response->status != 429 && response->status != 503)) return *failure;
    } else {
      const Broken& broken = std::get<Broken>(attempt);
      const Error error = no_answer(connections_[at].endpoint(), broken, true);
      if (broken.sent) return error;
      if (!failure || failure->status == 0) failure = error;
    }
  }
  return *failure;
}

Result<GetResult> Client::get(std::string_view key, const ReadOptions& options) {
  Request request{.method = "GET", .target = key_target(key), .headers = {{"Accept", "application/json"}}, .body = {}};
  add_read_options(request.target, options);
  const auto response = read(std::move(request));
  if (!response) return response.error();
  return read_get(*response);
}

Result<Page> Client::list(const Range& range, std::uint64_t limit, bool keys_only, const std::string& cursor,
                          const ReadOptions& options) {
  Request request{.method = "GET", .target = "/v1/kv", .headers = {}, .body = {}};
  add_range(request.target, range);
  add_parameter(request.target, "limit", std::to_string(limit));
  if (keys_only) add_parameter(request.target, "keys_only", "true");
  if (!cursor.empty()) add_parameter(request.target, "cursor", cursor);
  add_read_options(request.target, options);
  const auto response = read(std::move(request));
  if (!response) return response.error();
  return read_page(*response);
}

Result<PutResult> Client::put(std::string_view key, std::string value, const PutOptions& options) {
  Request request{.method = "PUT", .target = key_target(key), .headers = {}, .body = std::move(value)};
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  if (options.if_match) request.headers.emplace_back("If-Match", etag(*options.if_match));
  if (options.if_absent) request.headers.emplace_back("If-None-Match", "*");
  const auto response = write(std::move(request));
  if (!response) return response.error();
  return read_put(*response);
}

Result<DeleteResult> Client::del(std::string_view key, std::optional<std::uint64_t> if_match) {
  Request request{.method = "DELETE", .target = key_target(key), .headers = {}, .body = {}};
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  if (if_match) request.headers.emplace_back("If-Match", etag(*if_match));
  const auto response = write(std::move(request));
  if (!response) return response.error();
  return read_delete(*response);
}

Result<DeleteResult> Client::del(const Range& range, std::optional<std::uint64_t> max_keys) {
  Request request{.method = "DELETE", .target = "/v1/kv", .headers = {}, .body = {}};
  add_range(request.target, range);
  if (max_keys) add_parameter(request.target, "max_keys", std::to_string(*max_keys));
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  const auto response = write(std::move(request));
  if (!response) return response.error();
  return read_delete(*response);
}

Result<TransferResult> Client::transfer(std::uint64_t node_id) {
  Request request{.method = "POST",
                  .target = "/v1/leadership",
                  .headers = {{"Content-Type", "application/json"}},
                  .body = node_id == 0 ? "{}" : "{\"to\":" + std::to_string(node_id) + "}"};
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  const auto response = write(std::move(request));
  if (response) return read_transfer(*response);
  Error error = response.error();
  error.outcome = Error::Outcome::not_applied;  // no data is at stake
  return error;
}

Result<Response> Client::change(const std::string& method, std::string target, const std::string& json) {
  Request request{.method = method, .target = std::move(target), .headers = {}, .body = json};
  if (!json.empty()) request.headers.emplace_back("Content-Type", "application/json");
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  return write(std::move(request));
}

Result<CompactResult> Client::compact(std::uint64_t revision) {
  const auto response = change("POST", "/v1/compact", "{\"revision\":" + std::to_string(revision) + "}");
  if (!response) return response.error();
  return read_compact(*response);
}

Result<MemberList> Client::members(Consistency consistency) {
  Request request{.method = "GET", .target = "/v1/members", .headers = {}, .body = {}};
  add_read_options(request.target, {.consistency = consistency, .revision = {}});
  const auto response = read(std::move(request));
  if (!response) return response.error();
  return read_members(*response, false);
}

Result<MemberResult> Client::add_member(const NewMember& member) {
  const auto response = change("POST", "/v1/members", write_member(member));
  if (!response) return response.error();
  return read_member(*response);
}

Result<MemberResult> Client::promote_member(std::uint64_t id) {
  const auto response = change("POST", "/v1/members/" + std::to_string(id) + "/promote", "");
  if (!response) return response.error();
  return read_member(*response);
}

Result<MemberList> Client::remove_member(std::uint64_t id) {
  const auto response = change("DELETE", "/v1/members/" + std::to_string(id), "");
  if (!response) return response.error();
  return read_members(*response, true);
}

Result<std::monostate> Client::backup(const std::function<bool(std::string_view)>& take, Consistency consistency) {
  Request request{.method = "GET", .target = "/v1/backup", .headers = {}, .body = {}};
  add_read_options(request.target, {.consistency = consistency, .revision = {}});
  add_parameter(request.target, "timeout", std::to_string(options_.timeout.count()) + "ms");
  std::optional<Error> failure;
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    const std::size_t at = (first_ + i) % connections_.size();
    bool given = false;
    const auto attempt = connections_[at].download(request, options_.connect_timeout, options_.timeout + kBackupSilence,
                                                   [&](std::string_view piece) {
                                                     given = true;
                                                     return take(piece);
                                                   });
    if (const auto* response = std::get_if<Response>(&attempt)) {
      if (response->status == 200) return std::monostate{};
      failure = read_problem(*response, false);
      if (!busy(response->status)) return *failure;
    } else if (given || !failure || failure->status == 0) {
      failure = no_answer(connections_[at].endpoint(), std::get<Broken>(attempt), false);
      if (given) return *failure;
    }
  }
  return *failure;
}

Result<ClusterSettings> Client::settings(Consistency consistency) {
  Request request{.method = "GET", .target = "/v1/settings", .headers = {}, .body = {}};
  add_read_options(request.target, {.consistency = consistency, .revision = {}});
  const auto response = read(std::move(request));
  if (!response) return response.error();
  return read_settings(*response, false);
}

Result<ClusterSettings> Client::set_lease_reads(bool on) {
  const auto response = change("PUT", "/v1/settings", std::string("{\"lease_reads\":") + (on ? "true}" : "false}"));
  if (!response) return response.error();
  return read_settings(*response, true);
}

Result<NodeStatus> Client::status(std::size_t endpoint) {
  const auto attempt = connections_[endpoint].exchange(
      {.method = "GET", .target = "/v1/status", .headers = {}, .body = {}}, options_.connect_timeout, options_.timeout);
  if (const auto* broken = std::get_if<Broken>(&attempt)) {
    return no_answer(connections_[endpoint].endpoint(), *broken, false);
  }
  const auto& response = std::get<Response>(attempt);
  if (response.status >= 300) return read_problem(response, false);
  return read_status(response);
}

}  // namespace tenaz::client
