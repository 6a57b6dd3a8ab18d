// One request to one node, and what its answer means: an operation of a history. Not thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tests/integration/harness/http_client.h"
#include "tests/model/history.h"

namespace tenaz::chaos {

// Monotonic, in nanoseconds, the same in the whole process.
model::Time now();

class Recorder {
 public:
  Recorder(harness::Address node, std::chrono::milliseconds timeout);

  // What of the operation says what is asked for must be set: kind, key, value, guard, range_end, any_time,
  // least_revision. `at`: a read of that revision, 0: of the latest. Fills in the rest. False: nobody listened there,
  // so that it need not be recorded.
  bool perform(model::Operation& operation, std::uint64_t at = 0);

  // Why the last operation's outcome is unknown, or what was wrong with the answer; for messages.
  const std::string& remark() const { return remark_; }
  // The answer was one that a right node never gives to a right request.
  bool nonsense() const { return nonsense_; }

 private:
  std::optional<harness::HttpAnswer> ask(const std::string& method, const std::string& target, const std::string& body,
                                         const harness::Headers& headers);
  std::string query(const model::Operation& operation, std::uint64_t at) const;
  void perform_get(model::Operation& operation, std::uint64_t at);
  void perform_list(model::Operation& operation, std::uint64_t at);
  void perform_write(model::Operation& operation);
  void not_done(const harness::HttpAnswer& answer, model::Operation& operation);

  harness::Address node_;
  std::chrono::milliseconds timeout_;
  harness::HttpClient client_;
  std::string remark_;
  bool nonsense_ = false;
  bool connected_ = true;
};

}  // namespace tenaz::chaos
