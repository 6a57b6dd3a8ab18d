// GET /v1/backup: the whole state, streamed piece by piece as the client takes it. What was acknowledged before the
// request is in it, unless ?consistency=local asks for this node's state as far as it is.
#include "server/http/resources.h"

namespace tenaz::server::http {
namespace {

void take_piece(Exchange& exchange) {
  const auto& piece = *exchange.piece;
  // Nothing can be said any more: a body that is too short, and lacks its end, speaks for itself.
  if (!piece || piece->empty()) {
    exchange.answer().break_off();
  } else {
    exchange.answer().piece(*piece);
  }
  exchange.piece.reset();
  if (!exchange.answer().streaming()) {
    exchange.backup.reset();
  }
}

void begin_stream(Exchange& exchange) {
  if (const auto* failure = std::get_if<Failure>(&exchange.backup_result)) {
    Problem problem = problem_of(*failure);
    if (*failure == Failure::overloaded) {
      problem.detail = "as many backups as this node makes at a time are being read; try again later, or another node";
    }
    answer(exchange, problem);
    return;
  }
  if (const auto* error = std::get_if<storage::Error>(&exchange.backup_result)) {
    answer(exchange, problem_of(*error));
    return;
  }
  exchange.backup = std::get<std::shared_ptr<Backup>>(std::move(exchange.backup_result));
  Answer& answer = exchange.answer();
  answer.begin(200);
  answer.revision(exchange.backup->revision().value);
  answer.header("Cache-Control", "no-store");
  exchange.when_taken = [](Exchange& e) { e.next_piece(take_piece); };
  answer.stream("application/octet-stream", exchange.backup->bytes());
}

}  // namespace

void check_backup(Exchange& exchange) {
  if (take_parameters(exchange, Parameters::kConsistency | Parameters::kMinRevision | Parameters::kTimeout)) {
    exchange.serve = [](Exchange& e) {
      when_readable(e, [](Exchange& readable) { readable.open_backup(begin_stream); });
    };
  }
}

}  // namespace tenaz::server::http
