// SHA-256 of a stream that can be looked at on the way. One thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tenaz::backup {

class Hash {
 public:
  Hash();
  ~Hash();
  Hash(Hash&&) noexcept;
  Hash& operator=(Hash&&) noexcept;

  void update(std::string_view bytes);
  // 32 raw bytes: of everything so far. More may follow.
  std::string value() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace tenaz::backup
