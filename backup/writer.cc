#include "backup/writer.h"

namespace tenaz::backup {
namespace {

std::string number(std::uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

}  // namespace

void Writer::add(std::string& out, std::string_view bytes) {
  out += bytes;
  hash_.update(bytes);
  bytes_ += bytes.size();
}

void Writer::record(std::string& out, Kind kind, std::string_view payload) {
  add(out, record_head(kind, payload.size()));
  add(out, payload);
  add(out, hash_.value().substr(0, kSumBytes));
}

void Writer::begin(std::string& out, const Header& header) {
  add(out, kMagic);
  add(out, number(kFormat, 4));
  record(out, Kind::header, encode(header));
}

void Writer::file(std::string& out, std::string_view name, std::uint64_t bytes) {
  record(out, Kind::file, number(bytes, 8) + std::string(name));
}

void Writer::data(std::string& out, std::string_view bytes) {
  record(out, Kind::data, bytes);
}

void Writer::end(std::string& out) {
  const std::string hash = hash_.value();
  record(out, Kind::end, number(bytes_ + record_bytes(kEndPayloadBytes), 8) + hash);
}

std::uint64_t bytes_of_file(std::string_view name, std::uint64_t bytes) {
  const std::uint64_t records = (bytes + kMaxData - 1) / kMaxData;
  return record_bytes(8 + name.size()) + bytes + records * record_bytes(0);
}

std::uint64_t bytes_of_frame(const Header& header) {
  return kPreambleBytes + record_bytes(encode(header).size()) + record_bytes(kEndPayloadBytes);
}

}  // namespace tenaz::backup
