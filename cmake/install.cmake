# Installs the headers, the CMake package and lotar.pc.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/lotar")

configure_package_config_file(cmake/lotarConfig.cmake.in "${PROJECT_BINARY_DIR}/lotarConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/lotarConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)  # from 1.0 on: SameMajorVersion
file(RELATIVE_PATH include_from_pkgconfig "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
configure_file(cmake/lotar.pc.in "${PROJECT_BINARY_DIR}/lotar.pc" @ONLY)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/lotar" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_BINARY_DIR}/lotarConfig.cmake" "${PROJECT_BINARY_DIR}/lotarConfigVersion.cmake"
              cmake/lotarTargets.cmake cmake/FindCUDNN.cmake cmake/FindNCCL.cmake
        DESTINATION "${package_dir}")
install(FILES "${PROJECT_BINARY_DIR}/lotar.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
