#pragma once

#include <string>
#include <utility>
#include <vector>

#include <lotar/core/backend.hpp>

namespace lotar {

/// Flat arrays by name: what an optimizer, a method or a training keeps between steps. They are views: a checkpoint is
/// made by reading them, and restored by writing to them.
template <class A, class B>
using NamedArrays = std::vector<std::pair<std::string, Out<A, 1, B>>>;

}  // namespace lotar
