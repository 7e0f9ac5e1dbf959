#pragma once

#include <mpi.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/distributed.hpp>
#include <lotar/core/error.hpp>

namespace lotar {

/// A call of MPI that failed: its name, and what MPI says of it.
class MpiError : public Error {
 public:
  using Error::Error;
};

namespace detail {

/// MPI itself, begun when first needed unless the program has begun it, and then ended with the program.
class MpiLibrary {
 public:
  static MpiLibrary& get() {
    static MpiLibrary library;
    return library;
  }

  static void check(int status, const char* call) {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(status, text, &length);
    throw MpiError(std::string(call) + ": " + text);
  }

  MpiLibrary(const MpiLibrary&) = delete;
  MpiLibrary& operator=(const MpiLibrary&) = delete;

 private:
  MpiLibrary() {
    int begun = 0;
    check(MPI_Initialized(&begun), "MPI_Initialized");
    if (begun) return;
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    ours_ = true;
    if (provided < MPI_THREAD_FUNNELED)
      throw MpiError("MPI_Init_thread: this MPI allows no threads, wanted MPI_THREAD_FUNNELED");
  }
  ~MpiLibrary() {
    int ended = 0;
    if (ours_ && MPI_Finalized(&ended) == MPI_SUCCESS && !ended) MPI_Finalize();
  }

  bool ours_ = false;
};

/// The processes that work together: a communicator of our own, so that the program's messages do not meet ours.
class MpiRanks {
 public:
  explicit MpiRanks(MPI_Comm processes) {
    MpiLibrary::get();
    MpiLibrary::check(MPI_Comm_dup(processes, &comm_), "MPI_Comm_dup");
    MpiLibrary::check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    int rank = 0, ranks = 1;
    MpiLibrary::check(MPI_Comm_rank(comm_, &rank), "MPI_Comm_rank");
    MpiLibrary::check(MPI_Comm_size(comm_, &ranks), "MPI_Comm_size");
    rank_ = static_cast<std::size_t>(rank), ranks_ = static_cast<std::size_t>(ranks);
  }
  MpiRanks(const MpiRanks&) = delete;
  MpiRanks& operator=(const MpiRanks&) = delete;
  ~MpiRanks() {
    int ended = 0;
    if (MPI_Finalized(&ended) == MPI_SUCCESS && !ended) MPI_Comm_free(&comm_);
  }

  std::size_t rank() const { return rank_; }
  std::size_t ranks() const { return ranks_; }

  /// Copies the first rank's bytes to all.
  void broadcast(void* data, std::size_t n) {
    MpiLibrary::check(MPI_Bcast(data, bytes<char>(n), MPI_BYTE, 0, comm_), "MPI_Bcast");
  }

  /// values = the sum over the ranks: every rank adds up its share of the values in the ranks' order, then all get all.
  template <class T>
  void all_reduce(T* values, std::size_t n) {
    if (ranks_ == 1) return;
    bytes<T>((n + ranks_ - 1) / ranks_ * ranks_);  // refused by all, or by none: no rank waits for one that threw
    const Share own = share(n, rank_, ranks_);
    scratch_.resize(std::max(scratch_.size(), own.size * ranks_ * sizeof(T)));
    T* const parts = reinterpret_cast<T*>(scratch_.data());
    const Blocks sent = blocks<T>(n, 1), kept = blocks<T>(own.size * ranks_, 1);
    MpiLibrary::check(MPI_Alltoallv(values, sent.sizes.data(), sent.firsts.data(), MPI_BYTE, parts, kept.sizes.data(),
                                    kept.firsts.data(), MPI_BYTE, comm_),
                      "MPI_Alltoallv");
    for (std::size_t i = 0; i < own.size; ++i) {
      T sum = parts[i];
      for (std::size_t r = 1; r < ranks_; ++r) sum += parts[r * own.size + i];
      values[own.first + i] = sum;
    }
    gather_in_place(values, n, 1);
  }

  /// whole = all ranks' shares of its `rows` rows of `width` values.
  template <class T>
  void all_gather(const T* part, T* whole, std::size_t rows, std::size_t width) {
    const Share own = share(rows, rank_, ranks_);
    std::copy_n(part, own.size * width, whole + own.first * width);
    if (ranks_ > 1) gather_in_place(whole, rows, width);
  }

 private:
  /// Where each rank's bytes lie in an array, as MPI wants to know it.
  struct Blocks {
    std::vector<int> sizes, firsts;
  };

  template <class T>
  Blocks blocks(std::size_t rows, std::size_t width) const {
    Blocks all;
    for (std::size_t r = 0; r < ranks_; ++r) {
      const Share part = share(rows, r, ranks_);
      all.sizes.push_back(bytes<T>(part.size * width));
      all.firsts.push_back(bytes<T>(part.first * width));
    }
    return all;
  }

  template <class T>
  static int bytes(std::size_t n) {
    if (n > INT_MAX / sizeof(T))
      throw MpiError("MPI counts bytes by int: wanted at most " + std::to_string(INT_MAX / sizeof(T)) +
                     " values at once, got " + std::to_string(n));
    return static_cast<int>(n * sizeof(T));
  }

  template <class T>
  void gather_in_place(T* whole, std::size_t rows, std::size_t width) {
    const Blocks all = blocks<T>(rows, width);
    MpiLibrary::check(
        MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, whole, all.sizes.data(), all.firsts.data(), MPI_BYTE, comm_),
        "MPI_Allgatherv");
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  std::size_t rank_ = 0, ranks_ = 1;
  std::vector<std::byte> scratch_;
};

}  // namespace detail

/// A backend of host memory in several processes that mpirun began: each computes its share of every batch. Its work is
/// done as it is called, so what the processes tell each other may be part of a recorded step.
///
/// A process that fails must end the others, which wait for it: let main return leave(code).
///
/// @tparam Base  Cpu, or another whose calls return when their work is done
template <Backend Base>
class Mpi : public Base {
 public:
  using typename Base::Memory;
  static constexpr const char* name = "mpi";

  /// Over the processes of MPI_COMM_WORLD. Begins MPI, and ends it with the program, unless the program does.
  /// @throws MpiError if MPI fails.
  explicit Mpi(Base base = Base())
      : Base(std::move(base)), ranks_(std::make_shared<detail::MpiRanks>(MPI_COMM_WORLD)) {}

  std::size_t rank() const { return ranks_->rank(); }
  std::size_t ranks() const { return ranks_->ranks(); }

  /// The sum over the ranks, added in their order: the same bits on all.
  /// @throws MpiError if MPI fails.
  /// @cost   every rank sends and gets 2 (ranks - 1) / ranks of the values
  template <class T>
  void all_reduce(const View<T, 1, Memory>& values) {
    static_assert(std::is_floating_point_v<T>);
    ranks_->all_reduce(values.data, values.size());
  }

  /// @param part   this rank's share of the rows of `whole`, see share()
  /// @param whole  out
  /// @throws ShapeError if part is no such share; MpiError if MPI fails.
  template <class T, std::size_t N>
  void all_gather(const std::type_identity_t<View<const T, N, Memory>>& part, const View<T, N, Memory>& whole) {
    static_assert(std::is_trivially_copyable_v<T>);
    check_own_share("all_gather", *this, part.extents, whole.extents);
    const std::size_t width = whole.extent(0) == 0 ? 0 : whole.size() / whole.extent(0);
    ranks_->all_gather(part.data, whole.data, whole.extent(0), width);
  }

  /// Another context of the same process, whose calls count as this one's.
  Mpi fork() const { return Mpi(Base::fork(), ranks_); }

 private:
  Mpi(Base base, std::shared_ptr<detail::MpiRanks> ranks) : Base(std::move(base)), ranks_(std::move(ranks)) {}

  std::shared_ptr<detail::MpiRanks> ranks_;
};

/// Which of the processes on its machine this one is: the number of a device that it can have to itself.
/// @throws MpiError if MPI fails.
inline int local_rank() {
  detail::MpiLibrary::get();
  MPI_Comm machine = MPI_COMM_NULL;
  detail::MpiLibrary::check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine),
                            "MPI_Comm_split_type");
  int rank = 0;
  const int status = MPI_Comm_rank(machine, &rank);
  MPI_Comm_free(&machine);
  detail::MpiLibrary::check(status, "MPI_Comm_rank");
  return rank;
}

/// The exit code of a process; if it is not 0, all other processes end as well.
inline int leave(int code) {
  int begun = 0, ended = 0;
  MPI_Initialized(&begun), MPI_Finalized(&ended);
  if (code != 0 && begun && !ended) MPI_Abort(MPI_COMM_WORLD, code);
  return code;
}

}  // namespace lotar
