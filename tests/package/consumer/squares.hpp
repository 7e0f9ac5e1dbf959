#pragma once

#include <vector>

#include <lotar/backend/cpu.hpp>

/// 1 + 2 i, computed on the backend of its caller: the second translation unit's part.
std::vector<float> odd_numbers(lotar::Cpu& b, std::size_t n);
