// Writes one HTTP answer by hand into the connection's output buffer, which keeps its memory from answer to answer.
//
//   begin(status), then any headers, then exactly one of body(), empty(), open_body() … close_body(), or stream()
//   and as many piece() as it takes, between which the session sends what there is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tenaz::server::http {

class Answer {
 public:
  // Called by the session before each request is served. `date`: an IMF-fixdate, valid until the next call.
  void prepare(std::string_view date, bool http_1_1, bool keep_alive, bool head);

  void begin(unsigned status);
  void header(std::string_view name, std::string_view value);
  void header(std::string_view name, std::uint64_t value);
  void etag(std::uint64_t mod_revision, bool json = false);
  void revision(std::uint64_t revision) { header("Tenaz-Revision", revision); }

  void body(std::string_view content_type, std::string_view body);
  void empty();

  // Text appended to the returned string becomes the body; its length is filled in by close_body().
  std::string& open_body(std::string_view content_type);
  void close_body();

  // A body of so many bytes begins, to be given piece by piece.
  void stream(std::string_view content_type, std::uint64_t bytes);
  void piece(std::string_view bytes);
  // The body has begun, and is not all there.
  bool streaming() const { return missing_ != 0; }
  // It never will be: the connection must end, so that the client notices.
  void break_off() { broken_off_ = true; }
  bool broken_off() const { return broken_off_; }

  bool complete() const { return complete_; }
  unsigned status() const { return status_; }
  // The connection ends after this answer.
  void close_connection() { keep_alive_ = false; }
  bool keep_alive() const { return keep_alive_; }

  // Takes back what was written since begin().
  void discard();

  std::string& out() { return out_; }

 private:
  std::string out_;
  std::string_view date_;
  std::size_t start_ = 0;
  std::size_t length_at_ = 0;
  std::size_t body_at_ = 0;
  std::uint64_t missing_ = 0;  // of a body that is streamed
  unsigned status_ = 0;
  bool http_1_1_ = true;
  bool keep_alive_ = true;
  bool head_ = false;
  bool complete_ = false;
  bool broken_off_ = false;
};

std::string_view reason_phrase(unsigned status);

}  // namespace tenaz::server::http
