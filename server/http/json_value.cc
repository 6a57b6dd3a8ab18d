#include "server/http/json_value.h"

#include "server/http/problem.h"

namespace tenaz::server::http {

namespace {

// Steps over valid JSON without understanding it.
class Steps {
 public:
  explicit Steps(std::string_view text) : text_(text) {}

  // Past blanks, to what comes next.
  char next() {
    at_ = text_.find_first_not_of(" \t\r\n", at_);
    return text_[at_];
  }
  void over_sign() { ++at_; }
  std::string_view over_string() {
    const std::size_t begin = at_;
    for (++at_; text_[at_] != '"'; ++at_) {
      at_ += text_[at_] == '\\' ? 1 : 0;
    }
    return text_.substr(begin, ++at_ - begin);
  }
  std::string_view over_value() {
    next();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      const char c = text_[at_];
      if (c == '"') {
        over_string();
        continue;
      }
      depth += c == '{' || c == '[' ? 1 : 0;
      depth -= c == '}' || c == ']' ? 1 : 0;
      ++at_;
    } while (depth != 0 || !ends_value());
    return text_.substr(begin, at_ - begin);
  }

 private:
  bool ends_value() const {
    return at_ == text_.size() || std::string_view(",]} \t\r\n").find(text_[at_]) != std::string_view::npos;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view member_text(std::string_view object, std::string_view name) {
  Steps steps(object);
  std::string_view found;
  for (steps.next(), steps.over_sign(); steps.next() != '}';) {
    const std::string_view key = steps.over_string();
    steps.next();  // the colon
    steps.over_sign();
    const std::string_view value = steps.over_value();
    if (boost::json::parse({key.data(), key.size()}).as_string() ==
        boost::json::string_view(name.data(), name.size())) {
      found = value;
    }
    if (steps.next() == ',') {
      steps.over_sign();
    }
  }
  return found;
}

void answer_json(Exchange& exchange, unsigned status, const boost::json::value& value) {
  answer_json_text(exchange, status, boost::json::serialize(value));
}

void answer_json_text(Exchange& exchange, unsigned status, std::string text) {
  text += '\n';
  exchange.answer().begin(status);
  exchange.answer().body("application/json", text);
}

bool require_json(Exchange& exchange) {
  if (exchange.request.json_body) {
    return true;
  }
  answer(exchange, {.code = Code::unsupported_media_type, .detail = "this call takes Content-Type: application/json"});
  return false;
}

std::optional<boost::json::object> take_json_object(Exchange& exchange) {
  boost::system::error_code ec;
  boost::json::value value = boost::json::parse(exchange.request.body, ec);
  std::string detail;
  if (ec) {
    detail = "the body is not JSON: " + ec.message();
  } else if (!value.is_object()) {
    detail = "the body must be a JSON object";
  } else {
    return std::move(value.as_object());
  }
  answer(exchange, {.code = Code::bad_json, .detail = std::move(detail)});
  return std::nullopt;
}

}  // namespace tenaz::server::http
