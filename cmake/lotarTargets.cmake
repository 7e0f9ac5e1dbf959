# The targets of lotar, for the source tree and for the installed package alike. They are made where they are asked for, so an
# installed package serves CUDA wherever its user has the toolkit. Wants lotar_INCLUDE_DIR.
#
#   lotar::lotar  the headers, C++20. No third party: core/, augment/, ops/, nn/, loss/, optim/, eval/.
#   lotar::cpu    backend/cpu.hpp: oneTBB.
#   lotar::cuda   backend/cuda.hpp: CUDA toolkit 13 (cuBLAS), cuDNN 9, in .cu files.
#   lotar::mpi    backend/mpi.hpp: MPI; goes with lotar::cpu.
#   lotar::nccl   backend/nccl.hpp: NCCL 2 and MPI; goes with lotar::cuda.
#   lotar::io     io/, data/ and train/: zlib, libpng, libjpeg, nlohmann-json, xtensor, threads.

if(NOT TARGET lotar::lotar)
  add_library(lotar::lotar INTERFACE IMPORTED)
  target_include_directories(lotar::lotar INTERFACE "${lotar_INCLUDE_DIR}")
  target_compile_features(lotar::lotar INTERFACE cxx_std_20)
  if(NOT "cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)  # CMake before 3.25.2 does not know C++20 for nvcc
    target_compile_options(lotar::lotar INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>)
  else()
    target_compile_features(lotar::lotar INTERFACE cuda_std_20)
  endif()
endif()

# Defines lotar::<component>. <missing> becomes empty, or the reason why the component cannot be had.
function(lotar_add_component component missing)
  set(${missing} "" PARENT_SCOPE)
  if(component STREQUAL "cpu")
    set(packages "TBB 2021 CONFIG")
    set(libraries TBB::tbb)
  elseif(component STREQUAL "cuda")
    list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")  # FindCUDNN.cmake
    set(packages "CUDAToolkit 13" "CUDNN 9")
    set(libraries CUDA::cublas CUDNN::cudnn)  # the runtime, static or shared, comes with the language (CUDA_RUNTIME_LIBRARY)
  elseif(component STREQUAL "mpi")
    set(packages "MPI 3 COMPONENTS CXX")
    set(libraries MPI::MPI_CXX)
  elseif(component STREQUAL "nccl")
    list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")  # FindNCCL.cmake
    set(packages "NCCL 2" "MPI 3 COMPONENTS CXX")
    set(libraries NCCL::nccl MPI::MPI_CXX)
  elseif(component STREQUAL "io")
    set(packages "ZLIB" "PNG" "JPEG" "Threads" "nlohmann_json 3" "xtensor 0.24")
    set(libraries ZLIB::ZLIB PNG::PNG JPEG::JPEG Threads::Threads nlohmann_json::nlohmann_json xtensor)
  else()
    set(${missing} "lotar has no component '${component}'; it has cpu, cuda, mpi, nccl and io" PARENT_SCOPE)
    return()
  endif()

  foreach(package IN LISTS packages)
    separate_arguments(arguments UNIX_COMMAND "${package}")
    find_package(${arguments} QUIET)
    list(GET arguments 0 name)
    if(NOT ${name}_FOUND)
      string(REGEX REPLACE " (CONFIG|COMPONENTS.*)" "" package "${package}")
      set(${missing} "lotar's component '${component}' needs ${package}, which was not found" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  if(NOT TARGET lotar::${component})
    add_library(lotar::${component} INTERFACE IMPORTED)
    target_link_libraries(lotar::${component} INTERFACE lotar::lotar ${libraries})
  endif()
endfunction()
