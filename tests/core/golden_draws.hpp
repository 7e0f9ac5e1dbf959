#pragma once

#include <array>
#include <cstdint>

/// The first draws of some streams, as bits. They must never change: a training continues with the draws it began with,
/// whatever the backend, the compiler and its flags.
struct GoldenDraws {
  std::uint64_t seed;
  std::uint32_t epoch, sample, view, operation;
  std::uint32_t uniform[6];    // uniform()
  std::uint32_t between[6];    // uniform(-.3f, 1.4f)
  std::uint32_t index[6];      // index(50000)
  std::uint32_t bernoulli[6];  // bernoulli(.5f)
  std::uint32_t normal[6];     // normal()
};

inline constexpr GoldenDraws golden_draws[] = {
    {0x0,
     0x0,
     0,
     0,
     0,
     {0x3ecc4fd0, 0x3f6169c5, 0x3f3c57ac, 0x3f1b00db, 0x3f78e4cc, 0x3eb96400},
     {0x3ec1bae2, 0x3f993381, 0x3f7361d8, 0x3f3ab4a8, 0x3fad28e1, 0x3ea19067},
     {19952, 44026, 36785, 30274, 48612, 18104},
     {1, 0, 0, 0, 0, 1},
     {0xbe80637b, 0x3fbdf04d, 0x3e7a3448, 0xbf2d9a91, 0x3fafacd9, 0x3ff508d5}},
    {0x1,
     0x2,
     3,
     1,
     5,
     {0x3dbc9c68, 0x3ec93ffa, 0x3f244cde, 0x3f274748, 0x3f354045, 0x3f648452},
     {0xbe12e175, 0x3ebc865c, 0x3f4a82ad, 0x3f4f92c8, 0x3f6753a9, 0x3f9bd6e0},
     {4604, 19653, 32089, 32671, 35400, 44632},
     {1, 1, 0, 0, 0, 0},
     {0xbf4c6858, 0x3fa24fbe, 0x3ea4ae86, 0x3e36714b, 0x3f13372f, 0x3f15e741}},
    {0x123456789abcdef0,
     0xc7,
     49999,
     1,
     17,
     {0x3f7ba31b, 0x3f4fd2da, 0x3ec85298, 0x3f3b3c5b, 0x3f793849, 0x3f384eed},
     {0x3faf7dd7, 0x3f8a4006, 0x3ebaf2cf, 0x3f718035, 0x3fad6fd8, 0x3f6c862d},
     {49147, 40590, 19562, 36569, 48675, 35997},
     {0, 0, 1, 0, 0, 0},
     {0xbf32598e, 0xbfac1ea5, 0xbea07e3e, 0xbf09fef3, 0x3fc92ed3, 0xbf0c0e14}},
    {0xffffffffffffffff,
     0xffffffff,
     4294967295,
     65535,
     65535,
     {0x3f70c889, 0x3f225c09, 0x3f2f8fe7, 0x3e459864, 0x3f3f07d8, 0x3ee1fa56},
     {0x3fa6440e, 0x3f473610, 0x3f5da7d6, 0x3ce5b21b, 0x3f77f3bc, 0x3ee68ff9},
     {47027, 31710, 34289, 9648, 37310, 22068},
     {0, 0, 0, 1, 0, 1},
     {0x3f0c687b, 0x3f18a59c, 0x3fcd7bf2, 0x3ed9d3c5, 0xbf2ff469, 0xbf5d6b1b}},
};

/// 0, ..., 23 shuffled by the stream of seed 5, epoch 1, sample 2, view 3, operation 4.
inline constexpr std::array<std::uint32_t, 24> golden_order = {3, 8, 10, 21, 6,  18, 15, 7,  5,  13, 11, 12,
                                                               0, 4, 1,  19, 16, 23, 22, 17, 20, 2,  9,  14};
