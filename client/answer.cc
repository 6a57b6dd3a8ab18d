#include "client/answer.h"

#include <openssl/evp.h>

#include <boost/json.hpp>
#include <stdexcept>

namespace tenaz::client {

namespace json = boost::json;

namespace {

std::uint64_t number(const json::object& object, const char* name) {
  return object.at(name).to_number<std::uint64_t>();
}

std::uint64_t number_or_zero(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value && !value->is_null() ? value->to_number<std::uint64_t>() : 0;
}

std::string text(const json::object& object, const char* name) {
  const json::string& value = object.at(name).as_string();
  return {value.data(), value.size()};
}

std::string decode_base64(const std::string& encoded) {
  if (encoded.size() % 4 != 0) throw std::invalid_argument("bad base64");
  std::string bytes(encoded.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(encoded.data()), static_cast<int>(encoded.size()));
  if (size < 0) throw std::invalid_argument("bad base64");
  std::size_t padding = 0;  // EVP_DecodeBlock counts it as bytes
  while (padding < 2 && padding < encoded.size() && encoded[encoded.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

// Text stands under its name; bytes that are not UTF-8 stand in base64 under name_base64.
std::string bytes(const json::object& object, const std::string& name, bool required) {
  if (object.contains(name)) return text(object, name.c_str());
  const std::string encoded = name + "_base64";
  if (!required && !object.contains(encoded)) return {};
  return decode_base64(text(object, encoded.c_str()));
}

KeyValue read_item(const json::object& object, bool with_value) {
  return {.key = bytes(object, "key", true),
          .value = bytes(object, "value", with_value),
          .create_revision = number(object, "create_revision"),
          .mod_revision = number(object, "mod_revision"),
          .version = number(object, "version")};
}

Member read_member(const json::object& object) {
  const json::value* promote = object.if_contains("promote");
  return {.id = number(object, "id"),
          .name = text(object, "name"),
          .peer = text(object, "peer"),
          .client = text(object, "client"),
          .role = text(object, "role"),
          .promote = promote && promote->as_bool(),
          .replaces = number_or_zero(object, "replaces")};
}

// Runs `read` on the body's object. Whatever is missing or of the wrong type ends up as one error.
template <class T, class Read>
Result<T> parse(const Response& response, bool write, Read read) {
  try {
    const json::value value = json::parse(response.body);
    T result = read(value.as_object());
    result.json = response.body.substr(0, response.body.find_last_not_of('\n') + 1);
    return result;
  } catch (const std::exception& error) {
    return Error{.status = response.status,
                 .code = "bad_answer",
                 .detail = std::string("the answer is not what the API promises: ") + error.what(),
                 .outcome = write ? Error::Outcome::unknown : Error::Outcome::not_applied};
  }
}

}  // namespace

Error read_problem(const Response& response, bool write) {
  const bool refused = response.status >= 400 && response.status < 500;
  Error error{.status = response.status,
              .code = "http_" + std::to_string(response.status),
              .detail = "HTTP status " + std::to_string(response.status),
              .outcome = write && !refused ? Error::Outcome::unknown : Error::Outcome::not_applied};
  boost::system::error_code failed;
  const json::value value = json::parse(response.body, failed);
  const json::object* problem = failed ? nullptr : value.if_object();
  if (!problem) return error;
  auto take = [&](const char* name, std::string& into) {
    const json::value* field = problem->if_contains(name);
    if (field && field->is_string()) into.assign(field->as_string().data(), field->as_string().size());
  };
  std::string outcome;
  take("code", error.code);
  take("detail", error.detail);
  take("outcome", outcome);
  if (outcome == "not_applied") error.outcome = Error::Outcome::not_applied;
  if (outcome == "unknown") error.outcome = Error::Outcome::unknown;
  return error;
}

Result<GetResult> read_get(const Response& response) {
  return parse<GetResult>(response, false, [](const json::object& o) {
    return GetResult{.item = read_item(o, true), .revision = number(o, "revision"), .json = {}};
  });
}

Result<Page> read_page(const Response& response) {
  return parse<Page>(response, false, [](const json::object& o) {
    Page page;
    page.revision = number(o, "revision");
    for (const json::value& item : o.at("items").as_array()) page.items.push_back(read_item(item.as_object(), false));
    const json::value* cursor = o.if_contains("cursor");
    if (cursor && !cursor->is_null()) page.cursor = text(o, "cursor");
    return page;
  });
}

Result<PutResult> read_put(const Response& response) {
  return parse<PutResult>(response, true, [&](const json::object& o) {
    return PutResult{.revision = number(o, "revision"), .created = response.status == 201, .json = {}};
  });
}

Result<DeleteResult> read_delete(const Response& response) {
  return parse<DeleteResult>(response, true, [](const json::object& o) {
    return DeleteResult{.revision = number(o, "revision"), .deleted = number(o, "deleted"), .json = {}};
  });
}

Result<CompactResult> read_compact(const Response& response) {
  return parse<CompactResult>(response, true, [](const json::object& o) {
    return CompactResult{
        .revision = number(o, "revision"), .compact_revision = number(o, "compact_revision"), .json = {}};
  });
}

Result<TransferResult> read_transfer(const Response& response) {
  return parse<TransferResult>(response, true, [](const json::object& o) {
    return TransferResult{.leader_id = number(o, "leader_id"), .json = {}};
  });
}

Result<MemberList> read_members(const Response& response, bool write) {
  return parse<MemberList>(response, write, [](const json::object& o) {
    MemberList list;
    for (const json::value& member : o.at("members").as_array())
      list.members.push_back(read_member(member.as_object()));
    list.joint = o.at("joint").as_bool();
    for (const json::value& id : o.at("retired").as_array()) list.retired.push_back(id.to_number<std::uint64_t>());
    return list;
  });
}

Result<MemberResult> read_member(const Response& response) {
  return parse<MemberResult>(response, true,
                             [](const json::object& o) { return MemberResult{.member = read_member(o), .json = {}}; });
}

Result<ClusterSettings> read_settings(const Response& response, bool write) {
  return parse<ClusterSettings>(response, write, [](const json::object& o) {
    return ClusterSettings{.lease_reads = o.at("lease_reads").as_bool(), .json = {}};
  });
}

std::string write_member(const NewMember& member) {
  json::object object{{"id", member.id}, {"peer", member.peer}, {"client", member.client}};
  if (!member.name.empty()) object["name"] = member.name;
  if (member.learner) object["learner"] = true;
  if (member.replaces != 0) object["replaces"] = member.replaces;
  return json::serialize(object);
}

Result<NodeStatus> read_status(const Response& response) {
  return parse<NodeStatus>(response, false, [](const json::object& o) {
    return NodeStatus{.node_id = number(o, "node_id"),
                      .name = text(o, "name"),
                      .role = text(o, "role"),
                      .term = number(o, "term"),
                      .leader_id = number_or_zero(o, "leader_id"),
                      .commit_index = number(o, "commit_index"),
                      .applied_index = number(o, "applied_index"),
                      .revision = number(o, "revision"),
                      .json = {}};
  });
}

}  // namespace tenaz::client
