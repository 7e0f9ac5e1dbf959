#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lotar/nn/conv_unit.hpp>
#include <lotar/nn/pool.hpp>

namespace lotar {

/// How a ResNet begins: 3x3 of stride 1 for images of about 32 pixels, or 7x7 of stride 2 and max pooling. Unpadded is
/// cifar's without padding, as the thesis' code evaluates networks that it trained with it.
enum class Stem { cifar, imagenet, unpadded };

struct ResNetOptions {
  std::vector<std::size_t> blocks = {2, 2, 2, 2};  ///< residual blocks in each stage
  bool bottleneck = false;                         ///< blocks of three convolutions, four times as wide at their end
  std::size_t width = 64;                          ///< channels of the first stage, >= 1; each stage doubles them
  Stem stem = Stem::cifar;
};

/// The options of "resnet10", "resnet18", "resnet34" or "resnet50".
/// @throws ConfigError for any other name
inline ResNetOptions resnet_options(const std::string& name, std::size_t width = 64, Stem stem = Stem::cifar) {
  if (width == 0) throw ConfigError("resnet: width must be >= 1, got 0");
  if (name == "resnet10") return {{1, 1, 1, 1}, false, width, stem};
  if (name == "resnet18") return {{2, 2, 2, 2}, false, width, stem};
  if (name == "resnet34") return {{3, 4, 6, 3}, false, width, stem};
  if (name == "resnet50") return {{3, 4, 6, 3}, true, width, stem};
  throw ConfigError("resnet: the architecture must be resnet10, resnet18, resnet34 or resnet50, got \"" + name + "\"");
}

/// A residual block: convolutions whose result is added to the block's input, or to a 1x1 convolution of it where the
/// shape changes.
class ResidualBlock {
 public:
  /// Declares `name`.conv1, `name`.bn1, ... and, where the shape changes, `name`.downsample.0 and .1.
  /// @param in      channels of its input
  /// @param width   channels inside; four times as many leave a bottleneck
  /// @param stride  of its 3x3 convolution
  /// @throws ConfigError if one of these is 0, or a name is taken.
  ResidualBlock(ParameterTable& table, const std::string& name, std::size_t in, std::size_t width, std::size_t stride,
                bool bottleneck)
      : first_(table.size()), out_(bottleneck ? 4 * width : width) {
    const auto add = [&](std::size_t from, std::size_t to, std::size_t kernel, std::size_t step, bool relu) {
      const std::string i = std::to_string(units_.size() + 1);
      units_.emplace_back(table, name + ".conv" + i, name + ".bn" + i,
                          ConvUnit::Options{from, to, kernel, Conv2d{step, kernel / 2}, relu});
    };
    // The last unit's ReLU comes after the sum, in the same pass. Strides lie in the 3x3 convolutions.
    if (bottleneck) {
      add(in, width, 1, 1, true);
      add(width, width, 3, stride, true);
      add(width, out_, 1, 1, true);
    } else {
      add(in, width, 3, stride, true);
      add(width, width, 3, 1, true);
    }
    if (stride != 1 || in != out_)
      downsample_.emplace(table, name + ".downsample.0", name + ".downsample.1",
                          ConvUnit::Options{in, out_, 1, Conv2d{stride, 0}, false});
  }

  /// Where its parameters begin in the table's flat array.
  std::size_t first() const { return first_; }
  /// The channels of its result.
  std::size_t out() const { return out_; }

  /// @param x  [N, H, W, in]
  /// @return   [N, ceil(H / stride), ceil(W / stride), out()]
  /// @throws ShapeError as ConvUnit::forward.
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass) const {
    Tensor<T, 4, B> shortcut = downsample_ ? downsample_->forward(b, x.share(), pass) : x.share();
    Activation<T, B> inside{std::move(x)};  // the block's result is read by the next shortcut as well: so it is written
    for (std::size_t i = 0; i + 1 < units_.size(); ++i)
      inside = units_[i].forward_on_load(b, std::move(inside), pass, units_[i + 1]);
    return units_.back().forward(b, std::move(inside), pass, std::move(shortcut));
  }

  /// @param dy  shaped like the result; its memory is reused
  /// @return    the gradient of x
  /// @throws ShapeError, ConfigError as ConvUnit::backward.
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, Tensor<T, 4, B> dy, Pass<T, B>& pass) const {
    ActivationGradient<T, B> inside{dy.share()};
    for (std::size_t i = units_.size(); i-- > 1;) inside = units_[i].backward_on_load(b, inside, pass);
    // dy is now the gradient of the shortcut
    if (!downsample_) return units_[0].backward(b, inside, pass, std::move(dy));
    Tensor<T, 4, B> dx = units_[0].backward(b, inside, pass);
    inside = {};
    return downsample_->backward(b, dy, pass, std::move(dx));
  }

 private:
  std::size_t first_, out_;
  std::vector<ConvUnit> units_;
  std::optional<ConvUnit> downsample_;
};

/// A residual network up to its pooled features; parameters are named as torchvision names them.
///
/// @source He et al. 2016, arXiv:1512.03385.
class ResNet {
 public:
  /// Declares conv1, bn1, layer1.0.conv1, ...
  /// @throws ConfigError if the width is 0, or a name is taken.
  explicit ResNet(ParameterTable& table, const ResNetOptions& options = {})
      : stem_(table, "conv1", "bn1",
              options.stem == Stem::imagenet
                  ? ConvUnit::Options{3, options.width, 7, Conv2d{2, 3}}
                  : ConvUnit::Options{3, options.width, 3, Conv2d{1, options.stem == Stem::cifar ? 1u : 0u}}) {
    if (options.stem == Stem::imagenet) max_pool_.emplace(3, Conv2d{2, 1});
    std::size_t channels = options.width;
    for (std::size_t stage = 0; stage < options.blocks.size(); ++stage)
      for (std::size_t i = 0; i < options.blocks[stage]; ++i) {
        const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
        blocks_.emplace_back(table, name, channels, options.width << stage, stage > 0 && i == 0 ? 2 : 1,
                             options.bottleneck);
        channels = blocks_.back().out();
      }
    features_ = channels;
  }

  /// The width F of the features.
  std::size_t features() const { return features_; }

  /// @param x  [N, H, W, 3]
  /// @return   [N, F]
  /// @throws ShapeError for images too small for the stem or of other than 3 channels, or a pass of another network.
  /// @cost     ResNet-18 of width 64, 32x32 pixels, stem cifar: 1.1 GFLOP an image
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass) const {
    x = stem_.forward(b, std::move(x), pass);
    if (max_pool_) x = max_pool_->forward(b, std::move(x), pass);
    for (const ResidualBlock& block : blocks_) x = block.forward(b, std::move(x), pass);
    return pool_.forward(b, x, pass);
  }

  /// Adds the gradients of all parameters; images need none.
  /// @param dy  [N, F]
  /// @throws ShapeError if dy has another shape or the pass no gradients, ConfigError without a forward pass before.
  /// @cost      about twice forward's
  template <class T, class B>
  void backward(B& b, const Tensor<Accum<T>, 2, B>& dy, Pass<T, B>& pass) const {
    Tensor<T, 4, B> d = pool_.backward(b, dy, pass);
    for (std::size_t i = blocks_.size(); i-- > 0;) {
      d = blocks_[i].backward(b, std::move(d), pass);
      pass.finish_gradients(blocks_[i].first());
    }
    if (max_pool_) d = max_pool_->backward(b, d, pass);
    stem_.backward_first(b, d, pass);
  }

 private:
  ConvUnit stem_;
  std::optional<MaxPool> max_pool_;
  std::vector<ResidualBlock> blocks_;
  GlobalAveragePool pool_;
  std::size_t features_;
};

}  // namespace lotar
