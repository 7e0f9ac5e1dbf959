#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>

namespace lotar {

/// Where a class stands in the long tail.
enum class Group { many, medium, few };

/// "Many", "Medium" or "Few".
inline const char* group_name(Group group) {
  return group == Group::many ? "Many" : group == Group::medium ? "Medium" : "Few";
}

/// How the classes are cut into three groups: from the most images to the fewest, with 10 and 100 classes,
///
///   thesis  3, 4, 3 and 33, 34, 33: what is left over is Medium
///   sdclr   4, 3, 3 and 34, 33, 33: what is left over is Many (as in SDCLR, BCL and GH)
///
/// or by their number of images, so that a group may be empty,
///
///   shots   Many: more than 100, Medium: 20 to 100, Few: fewer than 20 (as of ImageNet-LT, Places-LT and iNaturalist)
///
/// @source shots: Liu et al., Large-scale long-tailed recognition in an open world, CVPR 2019, arXiv:1904.05160.
enum class GroupConvention { thesis, sdclr, shots };

/// All conventions and their names.
inline constexpr std::array<std::pair<const char*, GroupConvention>, 3> group_conventions{
    {{"thesis", GroupConvention::thesis}, {"sdclr", GroupConvention::sdclr}, {"shots", GroupConvention::shots}}};

/// The group of each class.
///
/// @param counts  images of each class, at least 3 classes; of equal ones the lower class id stands before the higher.
/// @throws ConfigError for fewer than 3 classes.
inline std::vector<Group> group_classes(std::span<const std::size_t> counts,
                                        GroupConvention convention = GroupConvention::thesis) {
  const std::size_t classes = counts.size(), third = classes / 3;
  if (third == 0) throw ConfigError("group_classes: wanted at least 3 classes, got " + std::to_string(classes));
  std::vector<Group> groups(classes);
  if (convention == GroupConvention::shots) {
    for (std::size_t c = 0; c < classes; ++c)
      groups[c] = counts[c] > 100 ? Group::many : counts[c] >= 20 ? Group::medium : Group::few;
    return groups;
  }
  const std::size_t many = convention == GroupConvention::thesis ? third : classes - 2 * third;
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  for (std::size_t place = 0; place < classes; ++place)
    groups[order[place]] = place < many ? Group::many : place < classes - third ? Group::medium : Group::few;
  return groups;
}

/// The convention of a name: thesis, sdclr or shots.
/// @throws ConfigError for another name.
inline GroupConvention parse_group_convention(const std::string& name) {
  for (const auto& [known, convention] : group_conventions)
    if (name == known) return convention;
  throw ConfigError("groups \"" + name + "\": wanted thesis, sdclr or shots");
}

/// The name of a convention.
inline const char* group_convention_name(GroupConvention convention) {
  return group_conventions[static_cast<std::size_t>(convention)].first;
}

}  // namespace lotar
