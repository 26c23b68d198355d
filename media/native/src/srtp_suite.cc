#include "srtp_suite.h"

namespace webtrunk {

const SuiteParameters* find_suite(std::string_view name) {
  for (const SuiteParameters& row : kSuiteTable) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const SuiteParameters* find_dtls_suite(std::string_view dtls_name) {
  for (const SuiteParameters& row : kSuiteTable) {
    if (row.dtls_name != nullptr && dtls_name == row.dtls_name) return &row;
  }
  return nullptr;
}

}  // namespace webtrunk
