#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

/// What is wrong with an XML text, as "what at byte n", or "" if it is well-formed: one element with nested elements,
/// quoted attributes, no stray < or &. Knows what SVG files of this project use: no comments, CDATA or document types.
class XmlChecker {
 public:
  explicit XmlChecker(std::string_view text) : text_(text) {}

  std::string fault() {
    constexpr std::string_view declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    if (!text_.starts_with(declaration)) return "no declaration";
    at_ = declaration.size();
    while (at_ < text_.size() && fault_.empty()) {
      if (text_.substr(at_, 2) == "</")
        close();
      else if (text_[at_] == '<')
        open();
      else
        character(stack_.empty());
    }
    if (fault_.empty() && (!stack_.empty() || roots_ != 1)) fail("wanted one whole element");
    return fault_;
  }

 private:
  void fail(const std::string& what) {
    if (fault_.empty()) fault_ = what + " at byte " + std::to_string(at_);
  }
  bool take(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  void expect(std::string_view wanted) {
    if (!take(wanted)) fail("wanted " + std::string(wanted));
  }
  std::string name() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-')) ++at_;
    if (at_ == begin) fail("wanted a name");
    return std::string(text_.substr(begin, at_ - begin));
  }
  void character(bool only_space) {
    for (const std::string_view entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"})
      if (take(entity)) return;
    const char c = text_[at_];
    if (c == '&' || c == '<' || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r'))
      fail("character not allowed");
    if (only_space && c != '\n') fail("text outside the element");
    ++at_;
  }
  void open() {
    expect("<");
    if (stack_.empty()) ++roots_;
    stack_.push_back(name());
    std::vector<std::string> attributes;
    while (fault_.empty() && take(" ")) {
      for (const std::string& other : attributes)
        if (text_.substr(at_).starts_with(other + "=")) fail("attribute twice");
      attributes.push_back(name());
      expect("=\"");
      while (fault_.empty() && at_ < text_.size() && text_[at_] != '"') character(false);
      expect("\"");
    }
    expect(">");
  }
  void close() {
    expect("</");
    const std::string element = name();
    if (stack_.empty() || stack_.back() != element) return fail("closes another element");
    stack_.pop_back();
    expect(">");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int roots_ = 0;
  std::vector<std::string> stack_;
  std::string fault_;
};

inline std::string xml_fault(std::string_view text) { return XmlChecker(text).fault(); }

/// How often a text occurs in another.
inline std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}
