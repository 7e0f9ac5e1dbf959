#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <lotar/core/config.hpp>

namespace lotar {

/// The base of everything lotar throws on purpose: bad input, bad files, a backend that failed.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Tensors whose shapes do not fit the operation; the message gives the shapes wanted and the ones that came.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An option out of its range, or options that contradict each other.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A file that is missing, unreadable, malformed or cannot be written.
class IoError : public Error {
 public:
  /// "path: message"
  IoError(const std::string& path, const std::string& message) : Error(path + ": " + message) {}
  /// "path: at byte offset: message"
  IoError(const std::string& path, std::uint64_t offset, const std::string& message)
      : Error(path + ": at byte " + std::to_string(offset) + ": " + message) {}
};

/// A training that produced a loss or gradient that is not finite.
class NonFiniteError : public Error {
 public:
  using Error::Error;
};

}  // namespace lotar
