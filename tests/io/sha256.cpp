#include <lotar/io/sha256.hpp>

#include <string>
#include <vector>

#include "../test.hpp"

using namespace lotar;

static std::string digest(const std::string& text) {
  return sha256(std::vector<std::uint8_t>(text.begin(), text.end()));
}

TEST_CASE("sha256 gives the published digests") {
  CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("pieces of any size give the digest of the whole") {
  const std::vector<std::uint8_t> bytes(200, 7);
  Sha256 digest;
  for (std::size_t at = 0, size = 0; at < bytes.size(); at += size) {
    size = std::min(size + 3, bytes.size() - at);
    digest.update(std::span(bytes).subspan(at, size));
  }
  CHECK(digest.hex() == sha256(bytes));
}

TEST_CASE("padding around a block's end: 55, 56 and 64 bytes") {  // checked with sha256sum
  CHECK(digest(std::string(55, 'a')) == "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  CHECK(digest(std::string(56, 'a')) == "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  CHECK(digest(std::string(64, 'a')) == "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}
