// Lines in and out of the peer on sofia-sip.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

/** In the order of the line; a key may come again. */
using Fields = std::vector<std::pair<std::string, std::string>>;

/** A string of JSON, byte for byte; undefined bytes become code points of Latin-1. */
inline std::string quoted(const char* text) {
  std::string out = "\"";
  for (; text != nullptr && *text != '\0'; ++text) {
    const auto byte = static_cast<unsigned char>(*text);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += *text;
    } else if (byte < 0x20 || byte > 0x7e) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", byte);
      out += escape;
    } else {
      out += *text;
    }
  }
  return out + "\"";
}

/** Of percent-encoding. */
inline std::string decoded(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size()) {
      out += static_cast<char>(std::strtol(text.substr(at + 1, 2).c_str(), nullptr, 16));
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

inline std::vector<std::string> wordsOf(const std::string& line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < line.size()) {
    size_t space = line.find(' ', at);
    if (space == std::string::npos) space = line.size();
    if (space > at) words.push_back(line.substr(at, space - at));
    at = space + 1;
  }
  return words;
}

/** `KEY=VALUE` from the `first` word on. */
inline Fields fieldsOf(const std::vector<std::string>& words, size_t first) {
  Fields fields;
  for (size_t at = first; at < words.size(); ++at) {
    const size_t equals = words[at].find('=');
    if (equals != std::string::npos)
      fields.emplace_back(words[at].substr(0, equals), decoded(words[at].substr(equals + 1)));
  }
  return fields;
}

inline std::string valueOf(const Fields& fields, const char* key) {
  for (const auto& [name, value] : fields)
    if (name == key) return value;
  return "";
}

/** Its value, which is in the fields no more. */
inline std::string taken(Fields& fields, const char* key) {
  std::string value;
  for (auto at = fields.begin(); at != fields.end();) {
    if (at->first == key) {
      value = at->second;
      at = fields.erase(at);
    } else {
      ++at;
    }
  }
  return value;
}
