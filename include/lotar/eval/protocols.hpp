#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/data/groups.hpp>
#include <lotar/eval/linear_probe.hpp>

namespace lotar {

/// How frozen features are judged: of which images, by which probe, and over which groups of classes.
struct Protocol {
  const char* name;
  LinearProbeOptions probe;
  GroupConvention groups;
  std::optional<LinearProbeOptions> few_shot = {};  ///< the probe of few-shot training sets, if it is another
  std::size_t few_shot_draws = 1;                   ///< of few-shot training sets, whose results are averaged
  std::size_t validation_percent = 0;  ///< of each class, held out of the training set to choose the best epoch by
  bool crop_flip = false;              ///< train on images cropped out of a padding, and flipped, at random
  std::size_t copies = 1;         ///< of the training set's features, which epochs take in turn; 0: one for each epoch
  bool batch_statistics = false;  ///< the training set's features by the statistics of batches, which the running ones
                                  ///< follow: the test set's are by those
  bool unpadded_stem = false;     ///< the network's stem is Stem::unpadded where it was trained as Stem::cifar
  bool batch_mean = false;        ///< the accuracy over all images is batch_mean_accuracy's, of the probe's batch size

  /// The probe's options, for a few-shot training set or a whole one.
  const LinearProbeOptions& options(bool is_few_shot) const { return is_few_shot && few_shot ? *few_shot : probe; }
};

/// The protocols that have a name.
///
///   thesis        what the thesis means: the whole balanced training set, features in eval mode and without
///                 augmentation, one linear layer by Adam (3e-4, no decay, 90 epochs of batches of 512), groups of
///                 3, 4, 3 or 33, 34, 33 classes.
///   thesis_code   what its code does: batch norm normalises training images by their batch and lets its running
///                 statistics drift, by which test images are normalised; the first convolution has lost its padding
///                 (not so for SDCLR); the total is the mean over test batches. The code computes features in every
///                 epoch anew: that is copies = 90.
///   standardized  as thesis, but each feature standardised, and Adam at 1e-3 for 60 epochs: a probe that comes to its
///                 end whatever the features' scale, so fairer to networks of small features, such as untrained ones.
///   sdclr         SDCLR's: a tenth of the training set held out, the rest augmented anew in every epoch, SGD at 30
///                 from small normal weights, the best epoch, groups of 4, 3, 3. SDCLR publishes which images it holds
///                 out; of CIFAR-100 it leaves 5000 more unused.
///   bcl           BCL's: features in eval mode, Adam from 1e-2 down to 1e-6 in 500 epochs of batches of 1000, groups
///                 as SDCLR; few-shot results are means over 5 draws. BCL takes SDCLR's
///                 training images, here it is all.
inline const Protocol protocols[] = {
    {"thesis", {.learning_rate = 3e-4, .epochs = 90, .batch_size = 512}, GroupConvention::thesis},
    {.name = "thesis_code",
     .probe = {.learning_rate = 3e-4, .epochs = 90, .batch_size = 512},
     .groups = GroupConvention::thesis,
     .batch_statistics = true,
     .unpadded_stem = true,
     .batch_mean = true},
    {"standardized",
     {.learning_rate = 1e-3, .epochs = 60, .batch_size = 512, .standardize = true},
     GroupConvention::thesis},
    {.name = "sdclr",
     .probe = {.optimizer = "sgd",
               .learning_rate = 30,
               .decay_epochs = {10, 20},
               .epochs = 30,
               .batch_size = 128,
               .initial_deviation = 0.01},
     .groups = GroupConvention::sdclr,
     .few_shot = LinearProbeOptions{.optimizer = "sgd",
                                    .learning_rate = 30,
                                    .decay_epochs = {40, 60},
                                    .epochs = 100,
                                    .batch_size = 128,
                                    .initial_deviation = 0.01},
     .validation_percent = 10,
     .crop_flip = true,
     .copies = 0},
    {.name = "bcl",
     .probe =
         {.learning_rate = 1e-2, .final_learning_rate = 1e-6, .weight_decay = 5e-6, .epochs = 500, .batch_size = 1000},
     .groups = GroupConvention::sdclr,
     .few_shot_draws = 5},
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
