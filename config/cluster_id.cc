#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "config/config.h"

namespace tenaz::config {

namespace {

template <class Integer>
void append_number(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

void append_text(std::string& out, std::string_view text) {
  append_number(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

}  // namespace

std::string cluster_id(const Cluster& cluster) {
  std::vector<Member> members = cluster.members;
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.id < b.id; });

  std::string bytes;
  append_text(bytes, "tenaz-cluster-1");
  append_text(bytes, cluster.name);
  append_number(bytes, static_cast<std::uint32_t>(members.size()));
  for (const Member& member : members) {
    append_number(bytes, member.id);
    append_text(bytes, member.peer);
  }
  append_text(bytes, cluster.token);

  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  EVP_Digest(bytes.data(), bytes.size(), hash.data(), nullptr, EVP_sha256(), nullptr);

  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < 16; ++i) {
    id.push_back(kDigits[hash[i] >> 4]);
    id.push_back(kDigits[hash[i] & 15]);
  }
  return id;
}

}  // namespace tenaz::config
