#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <lotar/core/distributed.hpp>
#include <lotar/core/tensor.hpp>

namespace lotar {

/// Gradients summed over the processes while a backward pass still computes those of earlier layers: from the end of
/// their flat array on, in buckets, on a stream of their own. On a backend that is not distributed, nothing.
///
/// Where work is done as it is called, as on the CPU, the buckets are summed in between. All of it may be part of a
/// recorded step.
///
/// @source Li et al., PyTorch Distributed: experiences on accelerating data parallel training, VLDB 2020, section 3.2.
template <class A, Backend B>
class GradientBuckets {
 public:
  /// @param gradients  of all parameters; all processes have as many
  /// @param bucket     the least number of values that is summed at once, but for the last; >= 1
  /// @throws ConfigError for a bucket of 0.
  GradientBuckets(B& b, const Tensor<A, 1, B>& gradients, std::size_t bucket)
      : gradients_(gradients.share()), bucket_(bucket), end_(gradients.size()) {
    if (bucket == 0) throw ConfigError("bucket: must be >= 1, got 0");
    if (rank_count(b) > 1) other_ = std::unique_ptr<B>(new B(b.fork()));
  }

  /// A backward pass begins: forgets one that did not finish, because it threw. b's later work follows its sums.
  void begin(B& b) {
    if (end_ == gradients_.size()) return;
    other_->wait(b);  // a recorded step waits only for what has waited for it
    b.wait(*other_);
    end_ = gradients_.size();
  }

  /// The gradients from entry `first` on are final, once b's work so far is done.
  /// @param first  falls from call to call of a pass; those that rise are left alone
  void add(B& b, std::size_t first) {
    if (other_ && first <= end_ && end_ - first >= bucket_) sum(b, first);
  }

  /// All are final; b's later work follows the sums.
  void finish(B& b) {
    if (!other_ || gradients_.size() == 0) return;
    if (end_ > 0) sum(b, 0);
    b.wait(*other_);
    end_ = gradients_.size();
  }

 private:
  void sum(B& b, std::size_t first) {
    if constexpr (Distributed<B>) {
      other_->wait(b);
      other_->all_reduce(gradients_.rows(first, end_ - first));
      end_ = first;
    }
  }

  Tensor<A, 1, B> gradients_;
  std::size_t bucket_, end_;  // those from end_ on are summed, or will be
  std::unique_ptr<B> other_;
};

}  // namespace lotar
