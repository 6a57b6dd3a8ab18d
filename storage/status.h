// How storage reports what can go wrong. Programmer's errors abort instead.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace tenaz::storage {

enum class ErrorCode {
  io,               // a disk error; the message says which file and what to do
  no_space,         // ENOSPC
  corruption,       // what was read does not match its checksum, or synced bytes are missing
  removed,          // the node was removed from its cluster
  wrong_identity,   // the directory belongs to another node or cluster
  newer_format,     // written by a later version of tenaz
  locked,           // another process uses the directory
  compacted,        // the revision is no longer held
  future_revision,  // the revision does not exist yet
  not_ready,        // the state is not here yet
  invalid,          // the request makes no sense
};

struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message;  // a sentence for an operator
};

// A value or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}

  explicit operator bool() const { return !failed_; }
  const Error& error() const { return error_; }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace tenaz::storage
