// What a call brought: a value, or why there is none.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace tenaz::client {

struct Error {
  // What is known of a write that failed. Of a read: always not_applied.
  enum class Outcome {
    not_applied,  // certain: it was not done and will not be
    unknown,      // it may have been done, or may still be
  };

  int status = 0;      // of HTTP; 0: nobody answered
  std::string code;    // a stable code of the HTTP API; "unreachable" or "no_answer" with status 0
  std::string detail;  // for people
  Outcome outcome = Outcome::not_applied;
};

template <class T>
class Result {
 public:
  Result(T value) : result_(std::move(value)) {}
  Result(Error error) : result_(std::move(error)) {}

  explicit operator bool() const { return result_.index() == 0; }
  const T& operator*() const { return std::get<0>(result_); }
  const T* operator->() const { return &std::get<0>(result_); }
  const Error& error() const { return std::get<1>(result_); }

 private:
  std::variant<T, Error> result_;
};

}  // namespace tenaz::client
