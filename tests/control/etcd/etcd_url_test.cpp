// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gnomon::control {
namespace {

using testing::HasSubstr;

std::string fault_of(std::string_view url) {
  const auto address = parse_etcd_url(url);
  EXPECT_FALSE(address) << url;
  return address ? "" : address.error();
}

TEST(EtcdUrl, OneEndpointTakesTheDefaultPrefix) {
  const auto address = parse_etcd_url("etcd:https://etcd-1.example.net:2379");
  ASSERT_TRUE(address) << address.error();
  EXPECT_EQ(*address, (EtcdAddress{{"etcd-1.example.net:2379"}, true, "gnomon/"}));
}

TEST(EtcdUrl, SeveralEndpointsKeepTheirOrder) {
  const auto address = parse_etcd_url("etcd:http://b:1,http://127.0.0.1:65535,http://[2001:db8::3]:2379");
  ASSERT_TRUE(address) << address.error();
  EXPECT_EQ(*address, (EtcdAddress{{"b:1", "127.0.0.1:65535", "[2001:db8::3]:2379"}, false, "gnomon/"}));
}

TEST(EtcdUrl, PrefixEndsWithOneSlashAndBeginsWithNone) {
  for (const auto& [text, prefix] : {std::pair{"", "gnomon/"},
                                     {"/", "gnomon/"},
                                     {"/a", "a/"},
                                     {"/a/", "a/"},
                                     {"/team-1/pay.ments_x/Z9", "team-1/pay.ments_x/Z9/"}}) {
    const auto address = parse_etcd_url("etcd:https://a:1,https://b:1" + std::string(text));
    ASSERT_TRUE(address) << address.error();
    EXPECT_EQ(address->prefix, prefix) << text;
    EXPECT_EQ(address->endpoints, (std::vector<std::string>{"a:1", "b:1"}));
  }
}

TEST(EtcdUrl, EachFaultIsNamed) {
  for (const auto& [url, part] : {
           std::pair{"", "begin with etcd:"},
           {"https://a:1", "begin with etcd:"},
           {"etcd:", "empty endpoint"},
           {"etcd:a:2379", "neither with https:// nor with http://"},
           {"etcd:HTTPS://a:2379", "neither with https:// nor with http://"},
           {"etcd:unix:///run/etcd", "neither with https:// nor with http://"},
           {"etcd:https://", "empty endpoint"},
           {"etcd:https://a:1,", "empty endpoint"},
           {"etcd:https://a:1,,https://b:1", "empty endpoint"},
           {"etcd:https://a:1,b:1", "neither with https:// nor with http://"},
           {"etcd:https://a:1,http://b:1", "mixes http:// and https://"},
           {"etcd:https://a", "names no port"},
           {"etcd:https://[::1]", "names no port"},
           {"etcd:https://[::1", "not closed"},
           {"etcd:https://::1:2379", "no valid host"},
           {"etcd:https://fe80::1:2379", "several colons"},
           {"etcd:https://[a]:2379", "no valid host"},
           {"etcd:https://[::1%eth0]:2379", "no valid host"},
           {"etcd:https://:2379", "no valid host"},
           {"etcd:https://a b:2379", "no valid host"},
           {"etcd:https://a:", "no port of 1 to 65535"},
           {"etcd:https://a:0", "no port of 1 to 65535"},
           {"etcd:https://a:65536", "no port of 1 to 65535"},
           {"etcd:https://a:23x", "no port of 1 to 65535"},
           {"etcd:https://a:-1", "no port of 1 to 65535"},
           {"etcd:https://a:1,https://a:1", "twice"},
           {"etcd:https://a:1/x,https://b:1", "only its last endpoint"},
           {"etcd:https://a:1//", "empty part"},
           {"etcd:https://a:1//x", "empty part"},
           {"etcd:https://a:1/x//y", "empty part"},
           {"etcd:https://a:1/x y", "letters, digits"},
           {"etcd:https://a:1/x?tls=1", "letters, digits"},
           {"etcd:https://a:1/\xc3\xbc", "letters, digits"},
       })
    EXPECT_THAT(fault_of(url), HasSubstr(part)) << url;
}

TEST(EtcdUrl, PasswordIsRefusedAndNotRepeated) {
  const std::string fault = fault_of("etcd:https://root:s3cret@a:2379");
  EXPECT_THAT(fault, HasSubstr("store.password_file"));
  EXPECT_EQ(fault.find("s3cret"), std::string::npos);
  EXPECT_EQ(fault_of("etcd:https://root:s3c/ret@a:2379").find("s3c"), std::string::npos);
}

TEST(EtcdUrl, SizesAreBounded) {
  std::string many = "etcd:http://h0:1";
  for (int i = 1; i < 16; ++i)
    many += ",http://h" + std::to_string(i) + ":1";
  EXPECT_TRUE(parse_etcd_url(many));
  EXPECT_THAT(fault_of(many + ",http://h16:1"), HasSubstr("more than 16"));
  EXPECT_TRUE(parse_etcd_url("etcd:http://a:1/" + std::string(200, 'p')));
  EXPECT_THAT(fault_of("etcd:http://a:1/" + std::string(201, 'p')), HasSubstr("longer than 200"));
}

}  // namespace
}  // namespace gnomon::control
