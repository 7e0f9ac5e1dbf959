#pragma once

#include <nccl.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <lotar/backend/mpi.hpp>
#include <lotar/core/distributed.hpp>
#include <lotar/core/error.hpp>

namespace lotar {

/// A call of NCCL that failed: its name, and what NCCL says of it.
class NcclError : public Error {
 public:
  using Error::Error;
};

namespace detail {

inline void check(ncclResult_t status, const char* call) {
  if (status != ncclSuccess)
    throw NcclError(std::string(call) + ": " + ncclGetErrorString(status) + ": " + ncclGetLastError(nullptr));
}

/// NCCL's communicator of the processes that mpirun began, each with a device of its own. All that they tell each other
/// goes through one stream, as it was called, whatever stream of the backend it is for: a communicator on two streams
/// at once could meet in another order elsewhere, and two communicators at once may block each other for good, as
/// NCCL's user guide says of using them concurrently.
template <class Base>
class NcclRanks {
 public:
  explicit NcclRanks(Base& base) : transfers_(base.fork()), processes_(MPI_COMM_WORLD) {
    transfers_.sync();  // makes its device the current one
    ncclUniqueId id{};
    if (processes_.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    processes_.broadcast(&id, sizeof(id));
    check(ncclCommInitRank(&comm_, static_cast<int>(ranks()), id, static_cast<int>(rank())), "ncclCommInitRank");
  }
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;
  /// Not while an exception passes: that would wait for the others, which wait for this process, see leave().
  ~NcclRanks() {
    if (std::uncaught_exceptions() <= exceptions_) ncclCommDestroy(comm_);
  }

  std::size_t rank() const { return processes_.rank(); }
  std::size_t ranks() const { return processes_.ranks(); }

  template <class T>
  void all_reduce(Base& base, T* values, std::size_t n) {
    constexpr ncclDataType_t type = std::is_same_v<T, double> ? ncclDouble : ncclFloat;
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, float>);
    if (n == 0) return;
    transfers_.wait(base);
    check(ncclAllReduce(values, values, n, type, ncclSum, comm_, transfers_.stream()), "ncclAllReduce");
    base.wait(transfers_);
  }

  /// The shares differ in size, so each rank sends its own to all.
  template <class T>
  void all_gather(Base& base, const T* part, T* whole, std::size_t rows, std::size_t width) {
    transfers_.wait(base);
    check(ncclGroupStart(), "ncclGroupStart");
    ncclResult_t status = ncclSuccess;
    for (std::size_t r = 0; r < ranks() && status == ncclSuccess; ++r) {
      const Share s = share(rows, r, ranks());
      if (s.size > 0)
        status = ncclBroadcast(part, whole + s.first * width, s.size * width * sizeof(T), ncclChar, static_cast<int>(r),
                               comm_, transfers_.stream());
    }
    const ncclResult_t ended = ncclGroupEnd();  // in any case: the thread's next calls would be of the group
    check(status, "ncclBroadcast");
    check(ended, "ncclGroupEnd");
    base.wait(transfers_);
  }

 private:
  Base transfers_;
  MpiRanks processes_;
  int exceptions_ = std::uncaught_exceptions();
  ncclComm_t comm_ = nullptr;
};

}  // namespace detail

/// A CUDA backend in several processes that mpirun began, one a device: each computes its share of every batch. What
/// they tell each other goes by NCCL, one after the other in the order of the calls, and is recorded with a step; a
/// fork's may go on while this one computes. So gradients travel while others are computed, up to the next call of this
/// context, such as that of a synchronized norm, which waits behind them.
///
/// Sums are the same bits on all ranks. A process that fails must end the others: let main return leave(code).
///
/// @tparam Base  Cuda, on device local_rank() of its machine
template <Backend Base>
class Nccl : public Base {
 public:
  using typename Base::Memory;
  static constexpr const char* name = "nccl";

  /// @throws NcclError or MpiError if these fail; so do two processes of one device.
  explicit Nccl(Base base) : Base(std::move(base)), ranks_(std::make_shared<detail::NcclRanks<Base>>(*this)) {}

  std::size_t rank() const { return ranks_->rank(); }
  std::size_t ranks() const { return ranks_->ranks(); }

  /// @throws NcclError if NCCL fails.
  template <class T>
  void all_reduce(const View<T, 1, Memory>& values) {
    ranks_->all_reduce(*this, values.data, values.size());
  }

  /// @param part   this rank's share of the rows of `whole`, see share()
  /// @param whole  out
  /// @throws ShapeError if part is no such share; NcclError if NCCL fails.
  template <class T, std::size_t N>
  void all_gather(const std::type_identity_t<View<const T, N, Memory>>& part, const View<T, N, Memory>& whole) {
    check_own_share("all_gather", *this, part.extents, whole.extents);
    const std::size_t width = whole.extent(0) == 0 ? 0 : whole.size() / whole.extent(0);
    ranks_->all_gather(*this, part.data, whole.data, whole.extent(0), width);
  }

  /// Another context of the same process, whose calls count as this one's.
  Nccl fork() const { return Nccl(Base::fork(), ranks_); }

  /// See Base. The recording keeps the communicator, which must not go before graphs that use it.
  template <class F>
  auto record(F step) {
    return Base::record([ranks = ranks_, step = std::move(step)]() mutable { step(); });
  }

 private:
  Nccl(Base base, std::shared_ptr<detail::NcclRanks<Base>> ranks) : Base(std::move(base)), ranks_(std::move(ranks)) {}

  std::shared_ptr<detail::NcclRanks<Base>> ranks_;
};

}  // namespace lotar
