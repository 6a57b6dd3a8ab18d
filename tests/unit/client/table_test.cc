#include "client/tenazctl/table.h"

#include <gtest/gtest.h>

namespace tenaz::client {
namespace {

TEST(Table, ColumnsLineUp) {
  EXPECT_EQ(table({{"KEY", "V"}, {"a", "1"}, {"longer", "22"}}), "KEY     V\na       1\nlonger  22\n");
  EXPECT_EQ(table({{"\xc3\xa4", "x"}, {"bb", "y"}}), "\xc3\xa4   x\nbb  y\n");
  EXPECT_EQ(table({}), "");
}

TEST(Table, BytesBecomePrintable) {
  EXPECT_EQ(printable("plain \xc3\xa4 \xe2\x82\xac"), "plain \xc3\xa4 \xe2\x82\xac");
  EXPECT_EQ(printable(std::string_view("a\0\n\x1b\x7f\\", 6)), "a\\x00\\x0a\\x1b\\x7f\\\\");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // CSI, the control character
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");           // an overlong form
  EXPECT_EQ(printable("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
}

}  // namespace
}  // namespace tenaz::client
