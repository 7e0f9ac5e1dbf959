# How lotar's own tests, examples and benchmarks are built. Nothing here reaches users.

set(CMAKE_CXX_EXTENSIONS OFF)

# Warnings, the processor of this machine, and vector square roots (which errno would forbid).
add_library(lotar_dev INTERFACE)
target_compile_options(lotar_dev INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow -fno-math-errno>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wconversion,-Wshadow>)
if(LOTAR_WERROR)
  target_compile_options(lotar_dev INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Werror> $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>)
endif()
if(LOTAR_NATIVE)
  target_compile_options(lotar_dev INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
set_target_properties(lotar::lotar PROPERTIES SYSTEM FALSE)  # show the warnings of our own headers

# One aggregate target a label: `unit` builds what `ctest -L unit` runs; `cuda` builds every CUDA twin.
foreach(label IN ITEMS unit lockstep kernel emulated cuda mpi header program bench)
  add_custom_target(${label})
endforeach()

# lotar_is_generic(<result> <source>): whether <source> is written against a backend of its caller's choice: it, or a header beside
# it that it includes, names TestBackend, BenchBackend or ExampleBackend. Such a source is built once per backend.
function(lotar_is_generic result source)
  get_filename_component(folder "${source}" DIRECTORY)
  file(STRINGS "${source}" includes REGEX "^#include \"[^/]*\"")
  list(TRANSFORM includes REPLACE "^#include \"([^\"]*)\".*" "${folder}/\\1")
  list(REMOVE_ITEM includes "${folder}/backend.hpp")  # who names the backend there is the source
  set(${result} FALSE PARENT_SCOPE)
  foreach(file IN LISTS source includes)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" uses REGEX "(Test|Bench|Example)Backend" LIMIT_COUNT 1)
    if(uses)
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endforeach()
endfunction()

# lotar_add_main(<name> <libraries>...): this folder's main.cpp, compiled once for its programs to link, and with LOTAR_CUDA as
# <name>.cuda, where LOTAR_CUDA_MAIN is defined.
function(lotar_add_main name)
  add_library(${name} STATIC main.cpp)
  target_link_libraries(${name} PUBLIC ${ARGN} PRIVATE lotar::lotar lotar_dev)
  if(LOTAR_CUDA)
    add_library(${name}.cuda STATIC main.cpp)
    target_compile_definitions(${name}.cuda PRIVATE LOTAR_CUDA_MAIN)
    target_link_libraries(${name}.cuda PUBLIC ${ARGN} CUDA::toolkit PRIVATE lotar::lotar lotar_dev)
  endif()
endfunction()

# lotar_add_cuda_program(<target> <source> <libraries>...): a program of <source>, a .cpp or .cu, compiled as CUDA.
function(lotar_add_cuda_program target source)
  set(twin "${CMAKE_CURRENT_BINARY_DIR}/${target}.cu")
  file(CONFIGURE OUTPUT "${twin}" CONTENT "#include \"${source}\"\n")  # keeps its time when nothing changed
  add_executable(${target} "${twin}")
  target_link_libraries(${target} PRIVATE lotar::cuda lotar_dev ${ARGN})
  add_dependencies(cuda ${target})
endfunction()
