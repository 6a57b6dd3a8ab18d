#include "server/http/parameters.h"

#include <array>
#include <charconv>
#include <limits>

#include "config/units.h"
#include "server/http/request.h"

namespace tenaz::server::http {
namespace {

using Name = Parameters::Name;

struct Known {
  std::string_view text;
  Name name;
};

constexpr std::array kKnown{
    Known{"consistency", Name::kConsistency},
    Known{"revision", Name::kRevision},
    Known{"min_revision", Name::kMinRevision},
    Known{"timeout", Name::kTimeout},
    Known{"limit", Name::kLimit},
    Known{"max_bytes", Name::kMaxBytes},
    Known{"cursor", Name::kCursor},
    Known{"keys_only", Name::kKeysOnly},
    Known{"prefix", Name::kPrefix},
    Known{"start", Name::kStart},
    Known{"end", Name::kEnd},
    Known{"max_keys", Name::kMaxKeys},
    Known{"verbose", Name::kVerbose},
    Known{"from", Name::kFrom},
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

Problem bad(std::string_view name, std::string detail) {
  return {.code = Code::bad_parameter, .detail = std::string(name) + ": " + std::move(detail), .parameter = name};
}

std::optional<Problem> number_within(std::string_view name, std::string_view value, std::uint64_t least,
                                     std::uint64_t most, std::uint64_t& to) {
  const auto number = parse_number(value);
  if (!number || *number < least || *number > most) {
    return bad(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  to = *number;
  return std::nullopt;
}

std::optional<Problem> boolean(std::string_view name, std::string_view value, bool empty_is_true, bool& to) {
  if (value == "true" || (value.empty() && empty_is_true)) {
    to = true;
  } else if (value == "false") {
    to = false;
  } else {
    return bad(name, "must be true or false");
  }
  return std::nullopt;
}

std::optional<Problem> bound(std::string_view name, const std::string& value, std::string& to) {
  if (value.size() > storage::kv::kMaxKeyBytes) {
    return bad(name, "is longer than a key can be (" + std::to_string(storage::kv::kMaxKeyBytes) + " bytes)");
  }
  to = value;
  return std::nullopt;
}

std::optional<Problem> consistency(std::string_view value, Consistency& to) {
  if (value == "linearizable") {
    to = Consistency::linearizable;
  } else if (value == "local") {
    to = Consistency::local;
  } else if (value == "voted") {
    to = Consistency::voted;
  } else {
    return bad("consistency", "must be linearizable, local or voted");
  }
  return std::nullopt;
}

std::optional<Problem> timeout(std::string_view value, std::optional<std::chrono::nanoseconds>& to) {
  to = config::parse_duration(value);
  if (!to || to->count() == 0 || *to > kMaxTimeout) {
    return bad("timeout", "must be a positive duration such as 2s, 1.5s, 500ms or 1m, at most 60s");
  }
  return std::nullopt;
}

std::optional<Problem> set(const Known& known, const std::string& value, Parameters& p) {
  constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t number = 0;
  std::optional<Problem> problem;
  switch (known.name) {
    case Name::kConsistency:
      return consistency(value, p.consistency);
    case Name::kRevision:
      problem = number_within(known.text, value, 1, any, number);
      p.revision = storage::Revision{number};
      return problem;
    case Name::kMinRevision:
      problem = number_within(known.text, value, 0, any, number);
      p.min_revision = storage::Revision{number};
      return problem;
    case Name::kTimeout:
      return timeout(value, p.timeout);
    case Name::kLimit:
      problem = number_within(known.text, value, 1, kMaxListLimit, number);
      p.limit = number;
      return problem;
    case Name::kMaxBytes:
      problem = number_within(known.text, value, 1, kMaxListBytes, number);
      p.max_bytes = number;
      return problem;
    case Name::kCursor:
      p.cursor = value;
      return std::nullopt;
    case Name::kKeysOnly:
      return boolean(known.text, value, false, p.keys_only);
    case Name::kPrefix:
      return bound(known.text, value, p.prefix);
    case Name::kStart:
      return bound(known.text, value, p.start);
    case Name::kEnd:
      return bound(known.text, value, p.end);
    case Name::kMaxKeys:
      return number_within(known.text, value, 1, kMaxDeletedKeys, p.max_keys);
    case Name::kVerbose:
      return boolean(known.text, value, true, p.verbose);
    case Name::kFrom:
      return number_within(known.text, value, 1, any, p.from);
  }
  return std::nullopt;
}

const Known* find(std::string_view name, std::uint32_t allowed) {
  for (const Known& known : kKnown) {
    if (known.text == name && (known.name & allowed) != 0) {
      return &known;
    }
  }
  return nullptr;
}

std::optional<Problem> parse_pair(std::string_view pair, std::uint32_t allowed, Parameters& parameters) {
  const std::size_t equals = pair.find('=');
  const std::string_view raw_name = pair.substr(0, equals);
  std::string name;
  std::string value;
  const bool readable =
      percent_decode(raw_name, name) &&
      percent_decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), value);
  if (!readable) {
    return Problem{.code = Code::bad_parameter, .detail = "malformed percent-encoding", .parameter = raw_name};
  }
  const Known* known = find(name, allowed);
  if (known == nullptr) {
    return Problem{.code = Code::bad_parameter, .detail = "this call has no such parameter", .parameter = raw_name};
  }
  if (parameters.has(known->name)) {
    return bad(known->text, "is given more than once");
  }
  parameters.given |= known->name;
  return set(*known, value, parameters);
}

}  // namespace

std::optional<Problem> parse_parameters(std::string_view query, std::uint32_t allowed, Parameters& parameters) {
  while (!query.empty()) {
    const std::size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view{} : query.substr(ampersand + 1);
    if (pair.empty()) {
      continue;
    }
    if (auto problem = parse_pair(pair, allowed, parameters)) {
      return problem;
    }
  }
  return std::nullopt;
}

std::optional<Problem> resolve_range(Parameters& p) {
  if (p.has(Name::kPrefix)) {
    if (p.has(Name::kStart) || p.has(Name::kEnd)) {
      return bad("prefix", "cannot be combined with start or end");
    }
    p.start = p.prefix;
    p.end = storage::kv::prefix_end(p.prefix);
  } else if (!p.end.empty() && p.end <= p.start) {
    return bad("end", "must come after start");
  }
  return std::nullopt;
}

}  // namespace tenaz::server::http
