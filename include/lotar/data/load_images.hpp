#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/fit_square.hpp>
#include <lotar/data/host_array.hpp>
#include <lotar/data/image_list.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/jpeg.hpp>
#include <lotar/io/png.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// How images of all sizes are read.
struct LoadOptions {
  std::size_t image_size = 64;  // pixels a side of the squares that they become, 1 to 4096
  std::size_t threads = 0;      // that read them, at most 256; 0: one a core. No result depends on it
  std::size_t copies = 1;       // of the images that the caller is going to hold: there must be memory for all
  /// Hears now and then, in the calling thread, how many of all images are read.
  std::function<void(std::size_t done, std::size_t all)> progress = {};
};

namespace detail {

/// The pixels of an image file, whatever its extension says.
inline RawArray read_image(const std::string& path) {
  const Bytes bytes = read_file(path, std::uint64_t{1} << 28);
  if (is_jpeg(bytes)) return decode_jpeg(bytes, path);
  if (is_png(bytes)) return decode_png(bytes, path);
  throw IoError(path, "wanted a JPEG or PNG image, the file is neither");
}

/// The bytes that programs can still have without swapping, where Linux tells.
inline std::optional<std::uint64_t> available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word)
    if (std::uint64_t kibibytes = 0; word == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
  return std::nullopt;
}

}  // namespace detail

/// Reads images of any sizes and makes squares of them (fit_square), kept in memory.
///
/// @param list  at least one image; the files are JPEG or PNG, by their contents.
/// @throws ConfigError if an option is out of range, or `copies` of the images would need more
///         memory than the machine has left.
/// @throws IoError if a file is missing or not a sound image; the first such in the list, with any number of threads.
/// @cost   images x size^2 x 3 bytes; a thread decodes one image at a time.
inline Dataset load_images(ImageList list, std::string name, const LoadOptions& options = {}) {
  constexpr std::size_t max_size = 4096, max_threads = 256;
  const std::size_t size = options.image_size, images = list.paths.size(), bytes = size * size * 3;
  const std::size_t needed = images * bytes * std::max<std::size_t>(options.copies, 1);
  if (size < 1 || size > max_size)
    throw ConfigError("image size: wanted 1 to " + std::to_string(max_size) + ", got " + std::to_string(size));
  if (images == 0 || images > detail::max_listed_images || list.labels.size() != images)
    throw ShapeError("load_images: wanted 1 to 2^24 images, a label each, got " + std::to_string(images) + " and " +
                     std::to_string(list.labels.size()) + " labels");
  const std::optional<std::uint64_t> memory = detail::available_memory();
  if (memory && needed > *memory)
    throw ConfigError("image size " + std::to_string(size) + ": " + std::to_string(images) + " images need " +
                      std::to_string(needed) + " bytes of memory, " + std::to_string(*memory) + " are available");
  static_cast<void>(count_classes(list.labels, list.classes.size()));  // refuses labels out of range

  Dataset dataset{std::move(name), std::move(list.classes), make_host_array<std::uint8_t, 4>({images, size, size, 3}),
                  std::move(list.labels)};
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t threads = std::min({options.threads > 0 ? options.threads : cores, images, max_threads});
  struct Failure {
    std::size_t image = std::numeric_limits<std::size_t>::max();
    std::exception_ptr error;
  };
  std::vector<Failure> failures(threads);
  std::atomic<std::size_t> done = 0, first_failure = images;
  const auto work = [&](std::size_t thread) {  // every threads-th image, up to the first that cannot be read
    for (std::size_t i = thread; i < first_failure; i += threads) try {
        const std::span<std::uint8_t> square(dataset.images.data() + i * bytes, bytes);
        fit_square(detail::read_image(list.paths[i]), size, square);
        ++done;
        if (thread == 0 && options.progress) options.progress(done, images);
      } catch (...) {
        failures[thread] = {i, std::current_exception()};
        for (std::size_t first = first_failure; i < first && !first_failure.compare_exchange_weak(first, i);) {
        }
        return;
      }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
    work(0);
  }
  const auto first = std::min_element(failures.begin(), failures.end(),
                                      [](const Failure& a, const Failure& b) { return a.image < b.image; });
  if (first->error) std::rethrow_exception(first->error);
  return dataset;
}

}  // namespace lotar
