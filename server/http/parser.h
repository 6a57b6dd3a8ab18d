// Beast's incremental HTTP parser, filling a Request. What it lets pass though two readers could disagree about where a
// request ends (request smuggling) is refused here. See RFC 9112 sections 3.2 and 6.3.
#pragma once

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <limits>
#include <string_view>

#include "server/http/request.h"

namespace tenaz::server::http {

class RequestParser final : public boost::beast::http::basic_parser<true> {
  using Base = boost::beast::http::basic_parser<true>;
  using Field = boost::beast::http::field;
  using Error = boost::beast::http::error;
  using Text = boost::beast::string_view;
  using ErrorCode = boost::beast::error_code;

 public:
  RequestParser(Request& request, std::size_t max_header_bytes) : request_(request) {
    header_limit(
        static_cast<std::uint32_t>(std::min<std::size_t>(max_header_bytes, std::numeric_limits<std::uint32_t>::max())));
    body_limit(boost::none);  // known only once the call is
  }

  // The longest body that is taken. With `keep` false it is read and forgotten.
  void take_body(std::size_t limit, bool keep) {
    limit_ = limit;
    keep_body_ = keep;
    eager(true);
  }
  bool too_large() const { return too_large_; }

 private:
  void on_request_impl(boost::beast::http::verb method, Text, Text target, int version, ErrorCode&) override {
    using boost::beast::http::verb;
    switch (method) {
      case verb::get:
        request_.method = Method::get;
        break;
      case verb::head:
        request_.method = Method::head;
        break;
      case verb::put:
        request_.method = Method::put;
        break;
      case verb::post:
        request_.method = Method::post;
        break;
      case verb::delete_:
        request_.method = Method::del;
        break;
      default:
        request_.method = Method::other;
    }
    request_.http_1_1 = version == 11;
    request_.target.assign(target.data(), target.size());
  }

  void on_field_impl(Field name, Text, Text text, ErrorCode& ec) override {
    if (headers_done_) {
      return;  // a trailer changes nothing
    }
    const std::string_view value{text.data(), text.size()};
    switch (name) {
      case Field::host:
        refuse_if(++hosts_ > 1, ec);
        break;
      case Field::content_length:
        refuse_if(++lengths_ > 1 || value.find_first_not_of("0123456789") != std::string_view::npos, ec);
        break;
      case Field::transfer_encoding:
        refuse_if(++encodings_ > 1 || !boost::beast::iequals(text, "chunked") || !request_.http_1_1, ec);
        break;
      case Field::accept:
        request_.accepts_json = request_.accepts_json || accepts_json(value);
        break;
      case Field::content_type:
        request_.json_body = is_json(value);
        break;
      case Field::expect:
        // RFC 9110 section 10.1.1: ignored from an HTTP/1.0 client.
        request_.expects_continue = request_.http_1_1 && boost::beast::iequals(text, "100-continue");
        break;
      case Field::if_match:
        add_line(request_.has_if_match, request_.if_match, value);
        break;
      case Field::if_none_match:
        add_line(request_.has_if_none_match, request_.if_none_match, value);
        break;
      case Field::if_modified_since:
      case Field::if_unmodified_since:
      case Field::if_range:
        request_.has_other_precondition = true;
        break;
      default:
        break;
    }
  }

  void on_header_impl(ErrorCode& ec) override {
    headers_done_ = true;
    refuse_if(request_.http_1_1 && hosts_ == 0, ec);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode&) override {
    if (keep_body_ && length) {
      request_.body.reserve(static_cast<std::size_t>(*length));
    }
  }

  std::size_t on_body_impl(Text text, ErrorCode& ec) override {
    received_ += text.size();
    if (received_ > limit_) {
      too_large_ = true;
      ec = Error::body_limit;
    } else if (keep_body_) {
      request_.body.append(text.data(), text.size());
    }
    return text.size();
  }

  std::size_t on_chunk_body_impl(std::uint64_t, Text text, ErrorCode& ec) override { return on_body_impl(text, ec); }
  void on_chunk_header_impl(std::uint64_t size, Text, ErrorCode& ec) override {
    if (size > limit_ - received_) {
      too_large_ = true;
      ec = Error::body_limit;
    }
  }
  void on_response_impl(int, Text, int, ErrorCode&) override {}
  void on_finish_impl(ErrorCode&) override {}

  static void refuse_if(bool wrong, ErrorCode& ec) {
    if (wrong) {
      ec = Error::bad_field;
    }
  }

  static void add_line(bool& has, std::string& field, std::string_view line) {
    if (has) {
      field += ',';
    }
    has = true;
    field += line;
  }

  Request& request_;
  std::size_t limit_ = 0;
  std::size_t received_ = 0;
  unsigned hosts_ = 0;
  unsigned lengths_ = 0;
  unsigned encodings_ = 0;
  bool headers_done_ = false;
  bool keep_body_ = true;
  bool too_large_ = false;
};

}  // namespace tenaz::server::http
