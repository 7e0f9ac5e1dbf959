#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "stream.hpp"

// What the library calls of NCCL, by MPI: each process has a device of the emulation to itself. Sums are added in the
// order of the ranks, so that all have the same bits. The thread that waits for a stream makes MPI's calls: it must be
// the one that began MPI.

enum ncclResult_t { ncclSuccess = 0, ncclInternalError = 3, ncclInvalidArgument = 4 };
enum ncclDataType_t { ncclChar = 0, ncclFloat = 7, ncclDouble = 8 };
enum ncclRedOp_t { ncclSum = 0 };
struct ncclUniqueId {
  char internal[128];
};
struct ncclComm {
  MPI_Comm processes;
  int ranks;
};
using ncclComm_t = ncclComm*;

inline const char* ncclGetErrorString(ncclResult_t status) {
  return status == ncclSuccess ? "no error" : status == ncclInternalError ? "internal error" : "invalid argument";
}
inline const char* ncclGetLastError(ncclComm_t) { return "by tests/emulated/nccl.h"; }

inline ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  *id = {"emulated"};
  return ncclSuccess;
}
inline ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId, int rank) {
  int processes = 0, process = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &processes);
  MPI_Comm_rank(MPI_COMM_WORLD, &process);
  if (ranks != processes || rank != process) return ncclInvalidArgument;
  *comm = new ncclComm{MPI_COMM_NULL, ranks};
  MPI_Comm_dup(MPI_COMM_WORLD, &(*comm)->processes);
  return ncclSuccess;
}
inline ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const auto lock = lotar::emulated::one_at_a_time();
  lotar::emulated::run_all();
  MPI_Comm_free(&comm->processes);
  delete comm;
  return ncclSuccess;
}
inline ncclResult_t ncclGroupStart() { return ncclSuccess; }
inline ncclResult_t ncclGroupEnd() { return ncclSuccess; }

namespace lotar::emulated {

template <class T>
void sum_over_ranks(const ncclComm& comm, const void* from, void* to, std::size_t n) {
  std::vector<T> all(n * static_cast<std::size_t>(comm.ranks));
  const int bytes = static_cast<int>(n * sizeof(T));
  MPI_Allgather(from, bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, comm.processes);
  T* const sums = static_cast<T*>(to);
  for (std::size_t i = 0; i < n; ++i) {
    sums[i] = 0;
    for (std::size_t at = i; at < all.size(); at += n) sums[i] += all[at];
  }
}

}  // namespace lotar::emulated

inline ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t n, ncclDataType_t type, ncclRedOp_t,
                                  ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclFloat && type != ncclDouble) return ncclInvalidArgument;
  lotar::emulated::submit(stream, [=] {
    using lotar::emulated::sum_over_ranks;
    type == ncclFloat ? sum_over_ranks<float>(*comm, from, to, n) : sum_over_ranks<double>(*comm, from, to, n);
  });
  return ncclSuccess;
}
/// `from` is read on the root alone.
inline ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t n, ncclDataType_t type, int root,
                                  ncclComm_t comm, cudaStream_t stream) {
  if (type != ncclChar || root < 0 || root >= comm->ranks) return ncclInvalidArgument;
  lotar::emulated::submit(stream, [=] {
    int rank = 0;
    MPI_Comm_rank(comm->processes, &rank);
    if (rank == root) std::memcpy(to, from, n);
    MPI_Bcast(to, static_cast<int>(n), MPI_BYTE, root, comm->processes);
  });
  return ncclSuccess;
}
