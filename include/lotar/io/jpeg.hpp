#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // which jpeglib.h wants before it
#include <span>
#include <string>

#include <jpeglib.h>

#include <jerror.h>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/image_limits.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {
namespace detail {

/// libjpeg with exceptions. The library reports errors by a call that must not return: it jumps back into attempt(),
/// over the library's own frames only, and attempt() throws.
class JpegDecoder {
 public:
  explicit JpegDecoder(const std::string& path) : path_(path) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = fail;
    errors_.emit_message = heed;
    progress_.progress_monitor = limit_scans;
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }

  RawArray decode(std::span<const std::uint8_t> bytes) {
    attempt([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, bytes.data(), static_cast<unsigned long>(bytes.size()));
      jpeg_read_header(&info_, TRUE);
    });
    const std::size_t height = info_.image_height, width = info_.image_width;
    check_image_limits(path_, height, width);
    const bool inks = info_.num_components == 4;
    info_.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    RawArray image{DType::u8, {height, width, 3}, Bytes(height * width * 3)};
    Bytes line(inks ? width * 4 : 0);
    attempt([&] {
      jpeg_start_decompress(&info_);
      while (info_.output_scanline < info_.output_height) {
        std::uint8_t* const to = image.bytes.data() + info_.output_scanline * width * 3;
        JSAMPROW row = inks ? line.data() : to;
        jpeg_read_scanlines(&info_, &row, 1);
        if (inks) inks_to_rgb(line.data(), to, width);
      }
      jpeg_finish_decompress(&info_);
    });
    return image;
  }

 private:
  static constexpr int max_scans = 100;  // of a progressive file, which decodes the whole image in each

  static JpegDecoder& of(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  /// Runs a step, which must own nothing: it may be left by a jump.
  template <class Step>
  void attempt(Step step) {
    if (setjmp(escape_) != 0) throw IoError(path_, std::string("not a sound JPEG image: ") + message_);
    step();
  }

  static void fail(j_common_ptr info) {
    info->err->format_message(info, of(info).message_);
    std::longjmp(of(info).escape_, 1);
  }

  /// Damage that the library would paint over is an error; oddities that change no pixel are none.
  static void heed(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
    if (level < 0 && !harmless) fail(info);
  }

  static void limit_scans(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= max_scans) return;
    static constexpr char message[] = "more than 100 scans";
    for (std::size_t i = 0; i < sizeof(message); ++i) of(info).message_[i] = message[i];
    std::longjmp(of(info).escape_, 1);
  }

  /// As Adobe's programs store inks: 255 for none of it.
  static void inks_to_rgb(const std::uint8_t* inks, std::uint8_t* rgb, std::size_t width) {
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        rgb[3 * x + c] = static_cast<std::uint8_t>((inks[4 * x + c] * inks[4 * x + 3] + 127) / 255);
  }

  const std::string& path_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_;
  char message_[JMSG_LENGTH_MAX] = "";
};

}  // namespace detail

/// True of bytes that start as a JPEG file does.
inline bool is_jpeg(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

/// The pixels of a JPEG file, as PIL's convert("RGB") gives them: gray in each of three channels, inks (CMYK, YCCK) by
/// Adobe's convention. Colour profiles and the orientation of EXIF are not applied.
///
/// @param bytes  the whole file, read from `path` (for messages).
/// @return       u8 [height, width, 3].
/// @throws IoError if the file is damaged or cut short, of a kind that libjpeg does not read (12 bits, lossless),
///         beyond the limits of image_limits.hpp, or has more than 100 scans.
/// @cost   3 bytes a pixel, and 6 more while a progressive file is read.
inline RawArray decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& path) {
  return detail::JpegDecoder(path).decode(bytes);
}

}  // namespace lotar
