#pragma once

#include <string>

#include <lotar/core/error.hpp>
#include <lotar/data/groups.hpp>
#include <lotar/eval/linear_probe.hpp>

namespace lotar {

/// How frozen features are judged: by which probe, and over which groups of classes.
struct Protocol {
  const char* name;
  LinearProbeOptions probe;
  GroupConvention groups;
};

/// The protocols that have a name.
///
///   thesis        what the thesis means: the whole balanced training set, features in eval mode and without augmentation,
///                 one linear layer by Adam (3e-4, no decay, 90 epochs of batches of 512), groups of 3, 4, 3 or 33, 34, 33
///                 classes. Its code differs: the encoder in train mode, its first convolution without padding.
///   standardized  the same, but each feature standardised, and Adam at 1e-3 for 60 epochs: a probe that comes to its end
///                 whatever the features' scale, so fairer to networks of small features, such as untrained ones.
inline constexpr Protocol protocols[] = {
    {"thesis", {.learning_rate = 3e-4, .weight_decay = 0, .epochs = 90, .batch_size = 512}, GroupConvention::thesis},
    {"standardized",
     {.learning_rate = 1e-3, .epochs = 60, .batch_size = 512, .standardize = true},
     GroupConvention::thesis},
};

/// The protocol of a name.
/// @throws ConfigError for an unknown one.
inline const Protocol& find_protocol(const std::string& name) {
  std::string known;
  for (const Protocol& protocol : protocols) {
    if (name == protocol.name) return protocol;
    known += (known.empty() ? "" : ", ") + std::string(protocol.name);
  }
  throw ConfigError("protocol \"" + name + "\": wanted " + known);
}

}  // namespace lotar
