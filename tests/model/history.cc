#include "tests/model/history.h"

namespace tenaz::model {
namespace {

const char* name(Kind kind) {
  switch (kind) {
    case Kind::get:
      return "get";
    case Kind::put:
      return "put";
    case Kind::remove:
      return "remove";
    case Kind::list:
      return "list";
    case Kind::remove_range:
      return "remove_range";
  }
  return "?";
}

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::precondition_failed:
      return "precondition_failed";
    case Outcome::not_applied:
      return "not_applied";
    case Outcome::unknown:
      return "unknown";
  }
  return "?";
}

std::string guard_text(const Operation& operation) {
  switch (operation.guard) {
    case Guard::none:
      return {};
    case Guard::must_exist:
      return " if-exists";
    case Guard::must_not_exist:
      return " if-absent";
    case Guard::mod_revision:
      return " if-mod=" + std::to_string(operation.expected);
  }
  return {};
}

}  // namespace

std::string describe(const Operation& operation) {
  std::string text = "client " + std::to_string(operation.client) + " [" + std::to_string(operation.called) + ", " +
                     (operation.answered == kNever ? "never" : std::to_string(operation.answered)) + "] " +
                     name(operation.kind) + " " + operation.key;
  if (operation.kind == Kind::list || operation.kind == Kind::remove_range) text += ".." + operation.range_end;
  if (operation.any_time) text += " of any time";
  if (operation.least_revision != 0) text += " from revision " + std::to_string(operation.least_revision) + " on";
  if (operation.kind == Kind::put) text += "=" + operation.value;
  text += guard_text(operation) + " -> " + name(operation.outcome);
  if (operation.kind == Kind::get && operation.outcome == Outcome::done)
    text += operation.existed == true ? " " + operation.value : " absent";
  else if (operation.existed)
    text += *operation.existed ? " (existed)" : " (was absent)";
  for (const Item& item : operation.items)
    text += " " + item.key + "=" + item.value + "@" + std::to_string(item.mod_revision);
  if (operation.mod_revision != 0) text += " mod=" + std::to_string(operation.mod_revision);
  if (operation.revision != 0) text += " rev=" + std::to_string(operation.revision);
  return text;
}

}  // namespace tenaz::model
