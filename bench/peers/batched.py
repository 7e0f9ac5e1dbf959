"""SimCLR's augmentation of a batch as tensor operations, for a GPU: a crop resized bilinearly and flipped, colour jitter, grey,
normalisation. Every image draws its own parameters. It does less than torchvision's and lotar's: the jitter's four parts come in
one order, and a crop that does not fit is cut to the image instead of drawn again.
"""
import math

import torch
import torch.nn.functional as F


def uniform(x, low, high):
    """A number for each image, shaped to be broadcast over it."""
    return torch.empty(len(x), 1, 1, 1, device=x.device).uniform_(low, high)


def crop_and_flip(x, scale, flip=0.5):
    area, ratio = uniform(x, scale, 1), uniform(x, math.log(3 / 4), math.log(4 / 3)).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    col, row = uniform(x, -1, 1) * (1 - width), uniform(x, -1, 1) * (1 - height)
    width = torch.where(uniform(x, 0, 1) < flip, -width, width)
    zero = torch.zeros_like(col)
    theta = torch.cat([width, zero, col, zero, height, row], 1).view(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), padding_mode="border", align_corners=False)


def gray(x):
    return 0.2989 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]


def turn_hue(x, turn):
    r, g, b = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    high = x.amax(1, keepdim=True)
    chroma = high - x.amin(1, keepdim=True)
    part = chroma.clamp(min=1e-12)
    hue = torch.where(high == r, (g - b) / part, torch.where(high == g, 2 + (b - r) / part, 4 + (r - g) / part))
    k = torch.cat([torch.remainder(hue + 6 * turn + start, 6) for start in (5, 3, 1)], 1)
    return high - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def jitter(x, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, probability=0.8):
    y = (x * uniform(x, 1 - brightness, 1 + brightness)).clamp(0, 1)
    center = gray(y).mean((2, 3), keepdim=True)
    y = (center + (y - center) * uniform(x, 1 - contrast, 1 + contrast)).clamp(0, 1)
    center = gray(y)
    y = (center + (y - center) * uniform(x, 1 - saturation, 1 + saturation)).clamp(0, 1)
    y = turn_hue(y, uniform(x, -hue, hue))
    return torch.where(uniform(x, 0, 1) < probability, y, x)


def two_views(images, scale=0.08):
    """Bytes [N, 3, H, W] to floats [2N, 3, H, W], channels last; views i and i + N are of image i."""
    x = images.to(memory_format=torch.channels_last).float().div(255).repeat(2, 1, 1, 1)
    x = jitter(crop_and_flip(x, scale))
    x = torch.where(uniform(x, 0, 1) < 0.2, gray(x), x)
    moments = zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # numbers: a CUDA graph takes no tensors from the host
    x = torch.cat([(x[:, c : c + 1] - mean) / deviation for c, (mean, deviation) in enumerate(moments)], 1)
    return x.contiguous(memory_format=torch.channels_last)
