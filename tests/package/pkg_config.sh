#!/bin/sh
# Builds the consumer without CMake: pkg_config.sh CXX PREFIX VERSION FOLDER
set -eu
cxx=$1 prefix=$2 version=$3 folder=$4
source=$(dirname "$0")/consumer
export PKG_CONFIG_PATH="$prefix/share/pkgconfig"
[ "$(pkg-config --modversion lotar)" = "$version" ]

rm -rf "$folder"
mkdir -p "$folder"
flags="$(pkg-config --cflags lotar) -DEXPECTED_VERSION=\"$version\""
$cxx $flags -c "$source/main.cpp" -o "$folder/main.o"
$cxx $flags -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -c "$source/strict.cpp" -o "$folder/strict.o"
$cxx "$folder/main.o" "$folder/strict.o" $(pkg-config --libs lotar) -lz -lpng -ljpeg -o "$folder/consumer"
"$folder/consumer"
