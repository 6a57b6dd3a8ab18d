#include "server/http/answer.h"

#include <charconv>

#include "server/http/json_text.h"

namespace tenaz::server::http {
namespace {

// Wide enough for any length; what is left over stays blank, as RFC 9110 section 5.5 allows before a value.
constexpr std::string_view kLengthRoom = "            ";
constexpr std::size_t kSmallBody = 4096;  // moved up to close the gap

}  // namespace

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

void Answer::prepare(std::string_view date, bool http_1_1, bool keep_alive, bool head) {
  date_ = date;
  http_1_1_ = http_1_1;
  keep_alive_ = keep_alive;
  head_ = head;
  complete_ = false;
  broken_off_ = false;
  missing_ = 0;
  status_ = 0;
}

void Answer::begin(unsigned status) {
  status_ = status;
  start_ = out_.size();
  if (status == 200) {
    out_ += "HTTP/1.1 200 OK\r\nDate: ";
  } else {
    out_ += "HTTP/1.1 ";
    append_number(out_, status);
    out_ += ' ';
    out_ += reason_phrase(status);
    out_ += "\r\nDate: ";
  }
  out_ += date_;
  if (!keep_alive_) {
    out_ += "\r\nConnection: close\r\n";
  } else if (!http_1_1_) {
    out_ += "\r\nConnection: keep-alive\r\n";
  } else {
    out_ += "\r\n";
  }
}

void Answer::header(std::string_view name, std::string_view value) {
  out_ += name;
  out_ += ": ";
  out_ += value;
  out_ += "\r\n";
}

void Answer::header(std::string_view name, std::uint64_t value) {
  out_ += name;
  out_ += ": ";
  append_number(out_, value);
  out_ += "\r\n";
}

void Answer::etag(std::uint64_t mod_revision, bool json) {
  out_ += "ETag: \"";
  append_number(out_, mod_revision);
  out_ += json ? "-json\"\r\n" : "\"\r\n";
}

void Answer::body(std::string_view content_type, std::string_view body) {
  header("Content-Type", content_type);
  out_ += "Content-Length: ";
  append_number(out_, body.size());
  out_ += "\r\n\r\n";
  if (!head_) {
    out_ += body;
  }
  complete_ = true;
}

void Answer::empty() {
  // A 304 speaks of the body it leaves out: a length of 0 would be wrong.
  out_ += status_ == 304 ? "\r\n" : "Content-Length: 0\r\n\r\n";
  complete_ = true;
}

std::string& Answer::open_body(std::string_view content_type) {
  header("Content-Type", content_type);
  out_ += "Content-Length: ";
  length_at_ = out_.size();
  out_ += kLengthRoom;
  out_ += "\r\n\r\n";
  body_at_ = out_.size();
  return out_;
}

void Answer::close_body() {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, out_.size() - body_at_);
  static_cast<void>(error);  // twenty digits hold every length
  const auto count = static_cast<std::size_t>(end - digits);
  const std::size_t unused = kLengthRoom.size() - count;
  const bool small = out_.size() - body_at_ <= kSmallBody;
  out_.replace(length_at_ + unused, count, digits, count);
  if (head_) {
    out_.resize(body_at_);
  }
  if (small) {
    out_.erase(length_at_, unused);
  }
  complete_ = true;
}

void Answer::stream(std::string_view content_type, std::uint64_t bytes) {
  header("Content-Type", content_type);
  header("Content-Length", bytes);
  out_ += "\r\n";
  missing_ = head_ ? 0 : bytes;
  complete_ = missing_ == 0;
}

void Answer::piece(std::string_view bytes) {
  // More than was promised would be taken for the next answer.
  if (bytes.size() > missing_) {
    break_off();
    return;
  }
  out_ += bytes;
  missing_ -= bytes.size();
  complete_ = missing_ == 0;
}

void Answer::discard() {
  if (status_ != 0) {
    out_.resize(start_);
  }
  complete_ = false;
}

}  // namespace tenaz::server::http
