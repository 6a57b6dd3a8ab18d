// Operations of handwritten histories, for the tests of the checker: (what, called, answered, what was told).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/model/history.h"

namespace tenaz::model::test {

inline Operation called(Kind kind, std::string key, Time from, Time to) {
  Operation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  operation.called = from;
  operation.answered = to;
  operation.outcome = to == kNever ? Outcome::unknown : Outcome::done;
  return operation;
}
inline Operation put(std::string key, std::string value, Time from, Time to, std::uint64_t revision) {
  Operation operation = called(Kind::put, std::move(key), from, to);
  operation.value = std::move(value);
  operation.revision = revision;
  return operation;
}
inline Operation lost_put(std::string key, std::string value, Time from) {
  return put(std::move(key), std::move(value), from, kNever, 0);
}
inline Operation remove(std::string key, Time from, Time to, std::uint64_t revision, bool existed) {
  Operation operation = called(Kind::remove, std::move(key), from, to);
  operation.revision = revision;
  operation.existed = existed;
  return operation;
}
inline Operation get(std::string key, std::string value, Time from, Time to, std::uint64_t revision,
                     std::uint64_t mod) {
  Operation operation = called(Kind::get, std::move(key), from, to);
  operation.value = std::move(value);
  operation.revision = revision;
  operation.mod_revision = mod;
  operation.existed = mod != 0;
  return operation;
}
inline Operation list(std::vector<Item> items, Time from, Time to, std::uint64_t revision) {
  Operation operation = called(Kind::list, "", from, to);
  operation.items = std::move(items);
  operation.revision = revision;
  return operation;
}
inline Operation remove_range(std::string from_key, std::string end, Time from, Time to, std::uint64_t revision,
                              bool existed) {
  Operation operation = called(Kind::remove_range, std::move(from_key), from, to);
  operation.range_end = std::move(end);
  operation.revision = revision;
  operation.existed = existed;
  return operation;
}
inline Operation any_time(Operation operation, std::uint64_t least_revision = 0) {
  operation.any_time = true;
  operation.least_revision = least_revision;
  return operation;
}
inline Operation of_range(Operation operation, std::string start, std::string end) {
  operation.key = std::move(start);
  operation.range_end = std::move(end);
  return operation;
}

}  // namespace tenaz::model::test
