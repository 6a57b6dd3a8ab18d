// The JSON of the HTTP API, turned into results. For client.cc.
#pragma once

#include <string>
#include <string_view>

#include "client/client.h"

namespace tenaz::client {

// What a problem document says. `write`: without a word about the outcome, only 4xx means that nothing was done.
Error read_problem(const Response& response, bool write);

// These fail with the code "bad_answer" if the body is not what the API promises.
Result<GetResult> read_get(const Response& response);
Result<Page> read_page(const Response& response);
Result<PutResult> read_put(const Response& response);
Result<DeleteResult> read_delete(const Response& response);
Result<CompactResult> read_compact(const Response& response);
Result<TransferResult> read_transfer(const Response& response);
// `write`: the answer to a change, of which it is not known then whether it was done.
Result<MemberList> read_members(const Response& response, bool write);
Result<MemberResult> read_member(const Response& response);
Result<ClusterSettings> read_settings(const Response& response, bool write);
// The body of POST /v1/members.
std::string write_member(const NewMember& member);
Result<NodeStatus> read_status(const Response& response);

}  // namespace tenaz::client
