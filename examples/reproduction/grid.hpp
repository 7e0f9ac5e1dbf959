#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../report/svg.hpp"

namespace examples {

/// Cells of text in rows and columns, to be shown as plain text, Markdown or HTML.
struct Grid {
  std::string title;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< as long as the header
  std::vector<bool> pale = {};                 ///< rows that only accompany the one above; none unless given
};

namespace detail {

/// Characters on the screen, of UTF-8.
inline std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
}

inline std::vector<std::size_t> column_widths(const Grid& grid) {
  std::vector<std::size_t> widths;
  for (const std::string& cell : grid.header) widths.push_back(width(cell));
  for (const auto& row : grid.rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width(row[c]));
  return widths;
}

inline std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace detail

/// The title, then the columns: the first from the left, the others to the right.
inline std::string plain_text(const Grid& grid) {
  const std::vector<std::size_t> widths = detail::column_widths(grid);
  const auto line = [&](const std::vector<std::string>& row) {
    std::string text;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - detail::width(row[c]), ' ');
      text += c == 0 ? row[c] + space : "   " + space + row[c];
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = grid.title + "\n\n" + line(grid.header);
  for (const auto& row : grid.rows) text += line(row);
  return text;
}

inline std::string markdown(const Grid& grid) {
  const auto line = [](const std::vector<std::string>& row) {
    std::string text = "|";
    for (const std::string& cell : row) text += " " + detail::replace_all(cell, "|", "\\|") + " |";
    return text + "\n";
  };
  std::string text = "**" + grid.title + "**\n\n" + line(grid.header) + "|---|";
  for (std::size_t c = 1; c < grid.header.size(); ++c) text += "---:|";
  text += "\n";
  for (const auto& row : grid.rows) text += line(row);
  return text;
}

inline std::string html(const Grid& grid) {
  const auto line = [](const char* cell_name, const std::vector<std::string>& row) {
    std::string text;
    for (const std::string& cell : row)
      text.append("<")
          .append(cell_name)
          .append(">")
          .append(xml_escape(cell))
          .append("</")
          .append(cell_name)
          .append(">");
    return text;
  };
  std::string text = "<table>\n<caption>" + xml_escape(grid.title) + "</caption>\n<thead><tr>" +
                     line("th", grid.header) + "</tr></thead>\n<tbody>\n";
  for (std::size_t r = 0; r < grid.rows.size(); ++r) {
    const bool pale = r < grid.pale.size() && grid.pale[r];
    text += (pale ? "<tr class=\"pale\">" : "<tr>") + line("td", grid.rows[r]) + "</tr>\n";
  }
  return text + "</tbody>\n</table>\n";
}

}  // namespace examples
