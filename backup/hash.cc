#include "backup/hash.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>

#include "backup/format.h"

namespace tenaz::backup {
namespace {

// OpenSSL has no SHA-256 or no memory: nothing could be checked any more.
void must(bool worked) {
  if (worked) return;
  std::fputs("tenaz: fatal: SHA-256 does not work\n", stderr);
  std::abort();
}

}  // namespace

struct Hash::Context {
  EVP_MD_CTX* running = EVP_MD_CTX_new();
  EVP_MD_CTX* copy = EVP_MD_CTX_new();  // what value() finishes
  Context() {
    must(running != nullptr && copy != nullptr);
    must(EVP_DigestInit_ex(running, EVP_sha256(), nullptr) == 1);
  }
  ~Context() {
    EVP_MD_CTX_free(running);
    EVP_MD_CTX_free(copy);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Hash::Hash() : context_(std::make_unique<Context>()) {}
Hash::~Hash() = default;
Hash::Hash(Hash&&) noexcept = default;
Hash& Hash::operator=(Hash&&) noexcept = default;

void Hash::update(std::string_view bytes) {
  must(EVP_DigestUpdate(context_->running, bytes.data(), bytes.size()) == 1);
}

std::string Hash::value() const {
  std::string out(kHashBytes, '\0');
  must(EVP_MD_CTX_copy_ex(context_->copy, context_->running) == 1);
  must(EVP_DigestFinal_ex(context_->copy, reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  return out;
}

}  // namespace tenaz::backup
