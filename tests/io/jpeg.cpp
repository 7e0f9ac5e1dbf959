#include <lotar/io/jpeg.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../files.hpp"
#include "../reference/images.hpp"
#include "../test.hpp"

using namespace lotar;

static Bytes to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

static RawArray decode(const std::string& file) { return decode_jpeg(to_bytes(file), "x.jpg"); }

/// Decoders may differ from PIL's, which is a libjpeg too, in how they round the inverse transform and the colours.
static constexpr int tolerance = 2;

static int largest_difference(const Bytes& got, const std::string& wanted) {
  REQUIRE(got.size() == wanted.size());
  int largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    largest = std::max(largest, std::abs(got[i] - static_cast<std::uint8_t>(wanted[i])));
  return largest;
}

/// Changes how a file is written before it is.
using Change = void (*)(jpeg_compress_struct&);

/// A JPEG file of 8 x 8 pixels of these samples.
static std::string encode(std::vector<std::uint8_t> pixel, J_COLOR_SPACE space, Change change) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  std::uint8_t* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = info.image_height = 8;
  info.input_components = static_cast<int>(pixel.size());
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  change(info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row;
  for (int x = 0; x < 8; ++x) row.insert(row.end(), pixel.begin(), pixel.end());
  for (JSAMPROW line = row.data(); info.next_scanline < 8;) jpeg_write_scanlines(&info, &line, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(bytes, bytes + size);
  std::free(bytes);
  return file;
}

TEST_CASE("JPEG files of every kind give the pixels that PIL gives") {
  struct Case {
    const char* name;
    const std::string &file, &pixels;
  };
  const Case cases[] = {{"chroma at half the resolution", expected::jpeg, expected::jpeg_pixels},
                        {"chroma at the full one", expected::jpeg_full, expected::jpeg_full_pixels},
                        {"progressive", expected::jpeg_progressive, expected::jpeg_progressive_pixels},
                        {"gray", expected::jpeg_gray, expected::jpeg_gray_pixels},
                        {"inks", expected::jpeg_cmyk, expected::jpeg_cmyk_pixels}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(is_jpeg(to_bytes(c.file)));
    const RawArray image = decode(c.file);
    CHECK(image.type == DType::u8);
    CHECK(image.shape == std::vector<std::size_t>{expected::file_height, expected::file_width, 3});
    CHECK(largest_difference(image.bytes, c.pixels) <= tolerance);
  }
  CHECK_FALSE(is_jpeg(to_bytes(expected::png_rgb)));
  CHECK_FALSE(is_jpeg(to_bytes(expected::jpeg.substr(0, 2))));
}

TEST_CASE("one colour stays that colour, also as inks in either form") {
  const auto pixel = [](const std::string& file) {
    const Bytes& bytes = decode(file).bytes;
    return std::vector<int>{bytes[0], bytes[1], bytes[2]};
  };
  const auto near = [&](const std::string& file, const std::vector<int>& wanted) {
    const auto got = pixel(file);
    for (int c = 0; c < 3; ++c) CHECK(std::abs(got[c] - wanted[c]) <= tolerance);
  };
  near(encode({200, 100, 50}, JCS_RGB, [](jpeg_compress_struct&) {}), {200, 100, 50});
  const std::vector<std::uint8_t> ink{255, 128, 0, 204};  // times 0.8
  near(encode(ink, JCS_CMYK, [](jpeg_compress_struct&) {}), {204, 102, 0});
  near(encode(ink, JCS_CMYK, [](jpeg_compress_struct& info) { jpeg_set_colorspace(&info, JCS_YCCK); }), {204, 102, 0});
}

TEST_CASE("a JPEG file cut short is refused, at any length") {
  for (const std::string* file : {&expected::jpeg, &expected::jpeg_progressive, &expected::jpeg_cmyk}) {
    std::size_t refused = 0;
    for (std::size_t size = 0; size < file->size(); ++size) try {
        decode(file->substr(0, size));
      } catch (const IoError& error) {
        refused += std::string(error.what()).starts_with("x.jpg: not a sound JPEG image: ") ? 1 : 0;
      }
    CHECK(refused == file->size());
    CHECK(decode(*file + "after the end").bytes == decode(*file).bytes);
  }
}

TEST_CASE("a JPEG file with a byte changed is decoded or refused") {
  for (const std::string* file : {&expected::jpeg, &expected::jpeg_progressive, &expected::jpeg_gray})
    check_mutations(*file, [](const std::string& path) { decode_jpeg(read_file(path, 10000), path); });
}

TEST_CASE("decode_jpeg refuses") {
  CHECK_THROWS_WITH_AS(decode(""), "x.jpg: not a sound JPEG image: Empty input file", IoError);
  CHECK_THROWS_WITH_AS(decode("GIF89a"), "x.jpg: not a sound JPEG image: Not a JPEG file: starts with 0x47 0x49",
                       IoError);
  SUBCASE("a size beyond the limits, before it is allocated") {
    std::string large = expected::jpeg;
    const std::size_t size = large.find("\xff\xc0") + 5;
    large.replace(size, 4, "\xff\xdc\xff\xdc");
    CHECK_THROWS_WITH_AS(decode(large),
                         "x.jpg: wanted an image of 1 to 32768 pixels a side and at most 134217728 pixels, got "
                         "65500 x 65500",
                         IoError);
  }
  SUBCASE("scans without end") {
    const std::string file = encode({1, 2, 3}, JCS_RGB, [](jpeg_compress_struct& info) {
      static const jpeg_scan_info scans[] = {
          {1, {0, 0, 0, 0}, 0, 63, 0, 0}, {1, {1, 0, 0, 0}, 0, 63, 0, 0}, {1, {2, 0, 0, 0}, 0, 63, 0, 0}};
      info.scan_info = scans, info.num_scans = 3;
    });
    decode(file);
    const std::size_t last = file.rfind("\xff\xda");
    const std::string scan = file.substr(last, file.size() - 2 - last);
    std::string bomb = file.substr(0, file.size() - 2);
    for (int i = 0; i < 97; ++i) bomb += scan;
    CHECK(decode(bomb + "\xff\xd9").bytes == decode(file).bytes);
    CHECK_THROWS_WITH_AS(decode(bomb + scan + "\xff\xd9"), "x.jpg: not a sound JPEG image: more than 100 scans",
                         IoError);
  }
}

TEST_CASE("bytes between markers, which change no pixel, are no damage") {
  std::string file = expected::jpeg;
  file.insert(file.find("\xff\xdb"), "junk");
  CHECK(decode(file).bytes == decode(expected::jpeg).bytes);
}
