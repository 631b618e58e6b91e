"""Functions that our Python layer makes of the engine's operations, with samples, as the operations carry them.

A line is `name: sample | sample`. They are tested like the operations that the engine lists.
"""

from __future__ import annotations

SAMPLES = """
meshgrid: t(3), t(2), indexing='ij' | t(3), t(2), t(), indexing='xy' | t(0), t(2), indexing='ij'
broadcast_tensors: t(3, 1), t(4) | t(), t(2, 2), t(1)
nn.functional.relu: t(3, 4) | ints(3)
nn.functional.relu6: t(3, 4) | nc(3, 4)
nn.functional.selu: t(3, 4) | t(0)
nn.functional.celu: t(3, 4), 0.7
nn.functional.rrelu: t(3, 4) | t(3), 0.1, 0.3, False
nn.functional.hardshrink: t(3, 4) | t(3), 0.2
nn.functional.threshold: t(3, 4), 0.1, 20 | ints(4), 1, 7
nn.functional.softmin: t(3, 4), 1 | t(3), dim=0, dtype=torch.float64
nn.functional.softsign: t(3, 4) | t()
nn.functional.tanhshrink: t(3, 4)
nn.functional.prelu: t(2, 3, 4), t(3) | t(3), t(1)
nn.functional.normalize: t(3, 4) | t(3, 4), p=1.0, dim=0 | t(2, 0)
nn.functional.cosine_similarity: t(3, 4), t(3, 4) | t(2, 3, 4), t(3, 4), dim=2
nn.functional.pairwise_distance: t(3, 4), t(3, 4) | t(4), t(3, 4), p=1.0, keepdim=True
nn.functional.linear: t(2, 3), t(4, 3), t(4) | t(3), t(4, 3) | t(2, 0, 3), t(4, 3)
nn.functional.bilinear: t(2, 3), t(2, 4), t(5, 3, 4), t(5)
nn.functional.conv1d: t(2, 3, 8), t(4, 3, 3), t(4), 2, 1 | t(4, 7), t(6, 2, 3), None, 1, 'same', 2, 2
nn.functional.conv2d: t(2, 3, 5, 6), t(4, 3, 3, 3), t(4), 2, 1 | t(1, 2, 5, 5), t(2, 1, 2, 2), None, 1, 'same', 1, 2
nn.functional.conv3d: t(1, 2, 4, 4, 5), t(3, 2, 2, 2, 3), t(3), 1, (1, 0, 1)
nn.functional.conv_transpose1d: t(2, 3, 5), t(3, 2, 3), t(2), 2, 1, 1 | t(4, 5), t(4, 1, 2), None, 1, 0, 0, 2, 2
nn.functional.conv_transpose2d: t(2, 3, 4, 3), t(3, 2, 3, 2), t(2), (2, 1), 1, (1, 0) | t(1, 2, 3, 3), t(2, 1, 2, 2), groups=2
nn.functional.conv_transpose3d: t(1, 2, 2, 3, 2), t(2, 1, 2, 2, 2), t(1), 2, 1
nn.functional.max_pool1d: t(2, 3, 8), 3, 2, 1 | t(3, 7), 2, ceil_mode=True | t(2, 3, 8), 2, return_indices=True
nn.functional.max_pool2d: t(2, 3, 6, 5), 3, 2, 1 | t(1, 6, 6), 2, return_indices=True | t(2, 2, 7, 7), 2, 2, 0, 2, True
nn.functional.max_pool3d: t(1, 2, 4, 4, 4), 2 | t(2, 5, 4, 4), (2, 1, 2), 1, (1, 0, 1)
nn.functional.avg_pool1d: t(2, 3, 8), 3, 2, 1 | t(2, 7), 2, ceil_mode=True, count_include_pad=False
nn.functional.adaptive_avg_pool1d: t(2, 3, 8), 3 | t(3, 5), 5
nn.functional.adaptive_max_pool1d: t(2, 3, 8), 3 | t(2, 5), 2, return_indices=True
nn.functional.adaptive_max_pool2d: t(2, 3, 6, 5), (3, 2) | t(2, 4, 4), 3, return_indices=True
nn.functional.adaptive_max_pool3d: t(1, 2, 4, 5, 4), (2, 2, None)
nn.functional.pixel_shuffle: t(2, 8, 3, 2), 2 | t(9, 1, 1), 3
nn.functional.pixel_unshuffle: t(2, 2, 4, 6), 2
nn.functional.channel_shuffle: t(2, 6, 2, 2), 3
nn.functional.upsample_nearest: t(1, 2, 3, 3), scale_factor=2
nn.functional.upsample_bilinear: t(1, 2, 3, 3), size=(5, 4)
nn.functional.grid_sample: t(2, 3, 4, 5), t(2, 3, 2, 2, low=-1.2, high=1.2), align_corners=False | t(1, 2, 4, 4), t(1, 2, 3, 2, low=-1.5, high=1.5), 'nearest', 'reflection', True
nn.functional.affine_grid: t(2, 2, 3), (2, 1, 3, 4), align_corners=False
nn.functional.interpolate: t(1, 2, 4, 3), (5, 7), mode='bilinear', align_corners=True | t(1, 2, 5), scale_factor=1.7, mode='nearest' | t(1, 1, 6, 6), (3, 4), mode='bicubic', antialias=True
nn.functional.pad: t(2, 3), (1, 2, 0, 1), value=2.0 | t(1, 2, 4, 3), (1, 2, 0, 3), 'reflect' | t(2, 3), (2, 1), 'circular' | t(2, 4), (-1, 2)
nn.functional.unfold: t(1, 2, 4, 5), (2, 3), 1, 1, 2
nn.functional.fold: t(1, 8, 6), (3, 4), 2
nn.functional.batch_norm: t(4, 3, 2), fixed(3), fixed(3, low=0.5, high=2), t(3), t(3) | t(4, 3), None, None, training=True
nn.functional.layer_norm: t(2, 3, 4), (4,), t(4), t(4) | t(2, 3, 4), (3, 4), eps=0.1
nn.functional.group_norm: t(2, 6, 3), 3, t(6), t(6) | t(2, 4), 2
nn.functional.instance_norm: t(2, 3, 4) | t(2, 3, 4, 2), weight=t(3), bias=t(3)
nn.functional.rms_norm: t(2, 3, 4), (4,), t(4) | t(2, 3), (3,), eps=0.1
nn.functional.local_response_norm: t(2, 5, 3), 3, 0.1, 0.5, 2.0
nn.functional.embedding: ints(2, 3, low=0, high=4), t(5, 3) | ints(4, low=0, high=4), t(5, 3), padding_idx=1
nn.functional.embedding_bag: ints(2, 3, low=0, high=4), t(5, 3), mode='sum' | ints(6, low=0, high=4), t(5, 3), torch.tensor([0, 2, 2]), mode='max'
nn.functional.scaled_dot_product_attention: t(2, 2, 3, 4), t(2, 2, 5, 4), t(2, 2, 5, 3) | t(1, 3, 4), t(1, 3, 4), t(1, 3, 4), is_causal=True | t(2, 3, 4), t(2, 5, 4), t(2, 5, 4), bools(3, 5), scale=0.3
nn.functional.binary_cross_entropy: t(3, 4, low=0.1, high=0.9), t(3, 4, low=0, high=1) | t(3, low=0.1, high=0.9), t(3, low=0, high=1), fixed(3), reduction='none'
nn.functional.binary_cross_entropy_with_logits: t(3, 4), t(3, 4, low=0, high=1) | t(3), t(3, low=0, high=1), fixed(3, low=0, high=1), pos_weight=fixed(3, low=1, high=2), reduction='sum'
nn.functional.cross_entropy: t(4, 5), ints(4, low=0, high=4) | t(2, 5, 3), ints(2, 3, low=0, high=4), fixed(5, low=0.5, high=2), ignore_index=1, label_smoothing=0.1 | t(4, 3), t(4, 3, low=0, high=1), reduction='none'
nn.functional.nll_loss: t(4, 5), ints(4, low=0, high=4), fixed(5, low=0.5, high=2) | t(2, 5, 3), ints(2, 3, low=0, high=4), reduction='sum'
nn.functional.mse_loss: t(3, 4), t(3, 4) | t(3), t(3), reduction='none'
nn.functional.l1_loss: t(3, 4), t(3, 4), reduction='sum'
nn.functional.smooth_l1_loss: t(3, 4), t(3, 4), beta=0.5 | t(3), t(3), reduction='none', beta=0.0
nn.functional.huber_loss: t(3, 4), t(3, 4), delta=0.7
nn.functional.kl_div: t(3, 4), t(3, 4, low=0.1, high=1), reduction='sum' | t(3, 4), t(3, 4), reduction='batchmean', log_target=True
nn.functional.cosine_embedding_loss: t(3, 4), t(3, 4), torch.tensor([1.0, -1.0, 1.0]), 0.1
nn.functional.margin_ranking_loss: t(3), t(3), torch.tensor([1.0, -1.0, 1.0]), 0.2
nn.functional.hinge_embedding_loss: t(3), torch.tensor([1.0, -1.0, 1.0]), 0.5
nn.functional.triplet_margin_loss: t(3, 4), t(3, 4), t(3, 4), swap=True
nn.functional.triplet_margin_with_distance_loss: t(3, 4), t(3, 4), t(3, 4), margin=0.5
nn.functional.gaussian_nll_loss: t(3, 4), t(3, 4), t(3, 1, low=0.1, high=2), full=True
nn.functional.poisson_nll_loss: t(3, 4), t(3, 4, low=0.5, high=4), full=True
nn.functional.multilabel_soft_margin_loss: t(3, 4), t(3, 4, low=0, high=1)
nn.functional.ctc_loss: F.log_softmax(t(6, 2, 4), 2), ints(2, 3, low=1, high=3), torch.tensor([6, 5]), torch.tensor([3, 2])
nn.functional.glu: t(3, 4), 1
nn.functional.gelu: t(3, 4), approximate='tanh'
nn.functional.pdist: t(4, 3) | t(3, 2), 1.5
nn.functional.one_hot: ints(4, low=0, high=3) | ints(2, 2, low=0, high=3), 6
"""


def samples() -> dict[str, tuple[str, ...]]:
    """Names with their samples."""
    found = {}
    for line in SAMPLES.strip().splitlines():
        name, _, text = line.partition(":")
        found[name] = tuple(sample.strip() for sample in text.split(" | "))
    return found
