#pragma once

#include <string>

#include <lotar/backend/cuda/error.hpp>

namespace lotar {

/// What calling f throws as a CudaError, as text; "" if it throws nothing.
template <class F>
std::string refusal(const F& f) {
  try {
    f();
  } catch (const CudaError& e) {
    return e.what();
  }
  return "";
}

}  // namespace lotar
