#include "storage/kv/digest.h"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "storage/bytes.h"

namespace tenaz::storage::kv {

Result<std::string> digest(const Reader& reader) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const Error failed{ErrorCode::io, "cannot compute a digest"};
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return failed;
  ListRequest request;
  request.at = reader.revision();
  request.limit = 1000;
  std::string bytes;
  for (bool more = true; more;) {
    auto page = reader.list(request);
    if (!page) return page.error();
    bytes.clear();
    for (const auto& item : page->items) {
      bytes::put_le(bytes, item.key.size(), 4);
      bytes += item.key;
      bytes::put_le(bytes, item.value.size(), 4);
      bytes += item.value;
      bytes::put_le(bytes, item.create_revision.value, 8);
      bytes::put_le(bytes, item.mod_revision.value, 8);
      bytes::put_le(bytes, item.version, 8);
      bytes::put_le(bytes, item.lease, 8);
    }
    if (EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1) return failed;
    more = page->more;
    if (more) request.start = page->items.back().key + '\0';
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw;
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context.get(), raw.data(), &size) != 1) return failed;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex.push_back(kDigits[raw[i] >> 4]);
    hex.push_back(kDigits[raw[i] & 15]);
  }
  return hex;
}

}  // namespace tenaz::storage::kv
