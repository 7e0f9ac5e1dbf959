#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "../text.hpp"

namespace examples {

namespace detail {

/// The code point that begins at text[at], and how many bytes it has; 0 bytes if they are not UTF-8.
inline std::pair<std::uint32_t, std::size_t> code_point(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(at);
  const std::size_t bytes = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || at + bytes > text.size()) return {0, 0};
  std::uint32_t code = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (byte(at + i) >> 6 != 2) return {0, 0};
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return {code, code < least[bytes] ? 0 : bytes};
}

}  // namespace detail

/// The text as XML content or attribute; what XML cannot hold becomes U+FFFD.
inline std::string xml_escape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, bytes] = detail::code_point(text, at);
    const bool allowed = bytes > 0 && (code >= 0x20 || code == '\t' || code == '\n' || code == '\r') &&
                         !(code >= 0xD800 && code < 0xE000) && code != 0xFFFE && code != 0xFFFF && code < 0x110000;
    if (!allowed) {
      out += "\xEF\xBF\xBD";
    } else {
      switch (code) {
        case '&':
          out += "&amp;";
          break;
        case '<':
          out += "&lt;";
          break;
        case '>':
          out += "&gt;";
          break;
        case '"':
          out += "&quot;";
          break;
        case '\'':
          out += "&apos;";
          break;
        default:
          out += text.substr(at, bytes);
      }
    }
    at += std::max<std::size_t>(bytes, 1);
  }
  return out;
}

/// An SVG picture in the making: elements in the order in which they are painted. All text is escaped here.
class Svg {
 public:
  using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

  /// @param title  what a screen reader says.
  Svg(int width, int height, std::string_view title) {
    const std::string w = std::to_string(width), h = std::to_string(height);
    text_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w +
            "\" height=\"" + h + "\" viewBox=\"0 0 " + w + " " + h +
            "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" role=\"img\">\n";
    add("title", {}, title);
    add("rect", {{"width", w}, {"height", h}, {"fill", "#ffffff"}});
  }

  /// Adds an element; `tip`, if any, shows where the pointer rests on it.
  void add(std::string_view element, Attributes attributes, std::string_view content = {}, std::string_view tip = {}) {
    text_.append("<").append(element);
    for (const auto& [name, value] : attributes)
      text_.append(" ").append(name).append("=\"").append(xml_escape(value)).append("\"");
    text_.append(">").append(xml_escape(content));
    if (!tip.empty()) text_.append("<title>").append(xml_escape(tip)).append("</title>");
    text_.append("</").append(element).append(">\n");
  }

  /// Adds text.
  /// @param anchor  start, middle or end: what of the text lies at x.
  void text(double x, double y, std::string_view content, std::string anchor = "start", int size = 13,
            std::string colour = "#333333", std::string weight = "normal") {
    add("text",
        {{"x", fixed(x, 1)},
         {"y", fixed(y, 1)},
         {"text-anchor", std::move(anchor)},
         {"font-size", std::to_string(size)},
         {"font-weight", std::move(weight)},
         {"fill", std::move(colour)}},
        content);
  }

  /// The whole file.
  std::string str() const { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

}  // namespace examples
