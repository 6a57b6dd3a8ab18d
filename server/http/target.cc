#include <cctype>
#include <utility>

#include "server/http/request.h"

namespace tenaz::server::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != lower[i]) {
      return false;
    }
  }
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// Cuts the part before `separator` off the front of `text`.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return trimmed(part);
}

// "q=0", "q=0.000"
bool is_zero_weight(std::string_view parameter) {
  return parameter.size() >= 3 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=' &&
         parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

void Request::clear() {
  method = Method::other;
  http_1_1 = keep_alive = true;
  expects_continue = accepts_json = json_body = false;
  has_if_match = has_if_none_match = has_other_precondition = false;
  if_match.clear();
  if_none_match.clear();
  target.clear();
  path = query = {};
  body.clear();
}

void take_request_line(Request& request, std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) {
    return;
  }
  using Name = std::pair<std::string_view, Method>;
  for (const auto& [name, method] : {Name{"GET", Method::get}, Name{"HEAD", Method::head}, Name{"PUT", Method::put},
                                     Name{"POST", Method::post}, Name{"DELETE", Method::del}}) {
    if (text.substr(0, space) == name) {
      request.method = method;
    }
  }
  text.remove_prefix(space + 1);
  request.target = text.substr(0, text.find_first_of(" \r\n"));
}

void split_target(Request& request) {
  std::string_view target = request.target;
  if (!target.empty() && target.front() != '/') {
    const std::size_t scheme = target.find("://");
    if (scheme != std::string_view::npos) {
      const std::size_t path = target.find_first_of("/?", scheme + 3);
      target = path == std::string_view::npos ? std::string_view{"/"} : target.substr(path);
    }
  }
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
}

bool percent_decode(std::string_view text, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) {
      return false;
    }
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) {
      return false;
    }
    out += static_cast<char>((high << 4) | low);
    i += 2;
  }
  return true;
}

bool accepts_json(std::string_view accept) {
  while (!accept.empty()) {
    std::string_view range = take(accept, ',');
    if (!equal_ignoring_case(take(range, ';'), "application/json")) {
      continue;
    }
    bool refused = false;
    while (!range.empty()) {
      refused = refused || is_zero_weight(take(range, ';'));
    }
    return !refused;
  }
  return false;
}

bool is_json(std::string_view content_type) {
  return equal_ignoring_case(take(content_type, ';'), "application/json");
}

}  // namespace tenaz::server::http
