"""Activations, normalisation, dropout, embeddings and the adaptive softmax of `torch.nn`: a line a call.

The same seed gives the same weights and noise. Each layer is called in training and in evaluation: text, settings,
outputs, gradients and buffers are compared, and state dicts go from either library into the other.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from types import ModuleType
from typing import Any

import pytest

from parity.compare import name_of, to_array
from parity.data import Data
from parity.programs import CANDIDATE, REFERENCE, hold

LAYERS = """
nn.ReLU() | t(4, 5)
nn.ReLU(inplace=True) | t(4, 5)
nn.ReLU6() | t(4, 5, low=-3, high=9)
nn.ReLU6(True) | t(4, 5, low=-3, high=9)
nn.Sigmoid() | t(4, 5)
nn.Tanh() | t(4, 5)
nn.SiLU() | t(4, 5)
nn.SiLU(inplace=True) | t(4, 5)
nn.Mish() | t(4, 5)
nn.Mish(inplace=True) | t(4, 5)
nn.GELU() | t(4, 5)
nn.GELU('tanh') | t(4, 5)
nn.ELU() | t(4, 5)
nn.ELU(0.5, inplace=True) | t(4, 5)
nn.CELU() | t(4, 5)
nn.CELU(0.7, True) | t(4, 5)
nn.SELU() | t(4, 5)
nn.SELU(inplace=True) | t(4, 5)
nn.LeakyReLU() | t(4, 5)
nn.LeakyReLU(0.3, inplace=True) | t(4, 5)
nn.RReLU() | t(4, 5)
nn.RReLU(0.1, 0.9, inplace=True) | t(4, 5)
nn.PReLU() | t(4, 5)
nn.PReLU(3, 0.1) | t(2, 3, 4)
nn.PReLU(dtype=torch.float64) | t(4, 5, dtype=torch.float64)
nn.Threshold(0.1, 20) | t(4, 5)
nn.Threshold(0.1, -0.5, True) | t(4, 5)
nn.Hardtanh() | t(4, 5)
nn.Hardtanh(-2, 2, inplace=True) | t(4, 5)
nn.Hardtanh(min_value=-0.5, max_value=0.25) | t(4, 5)
nn.Hardsigmoid() | t(4, 5, low=-6, high=6)
nn.Hardsigmoid(True) | t(4, 5, low=-6, high=6)
nn.Hardswish() | t(4, 5, low=-6, high=6)
nn.Hardswish(True) | t(4, 5, low=-6, high=6)
nn.Hardshrink() | t(4, 5)
nn.Hardshrink(0.2) | t(4, 5)
nn.Softshrink() | t(4, 5)
nn.Softshrink(0.2) | t(4, 5)
nn.Softplus() | t(4, 5)
nn.Softplus(2, 3.0) | t(4, 5)
nn.Softsign() | t(4, 5)
nn.Tanhshrink() | t(4, 5)
nn.LogSigmoid() | t(4, 5)
nn.GLU() | t(4, 6)
nn.GLU(0) | t(4, 5)
nn.Softmax(dim=0) | t(4, 5)
nn.Softmax() | t(4, 5)
nn.Softmin(dim=1) | t(4, 5)
nn.Softmin() | t(4, 5)
nn.LogSoftmax(dim=-1) | t(4, 5)
nn.Softmax2d() | t(2, 3, 4, 4)
nn.Softmax2d() | t(3, 4, 4)
nn.ReLU() | t(0, 3)
nn.Softmax(1) | t(0, 3)
nn.BatchNorm1d(3) | t(4, 3)
nn.BatchNorm1d(3) | nc(4, 3, 5)
nn.BatchNorm1d(3, 1e-3, 0.5, bias=False) | t(4, 3)
nn.BatchNorm2d(3, momentum=None) | t(2, 3, 4, 4)
nn.BatchNorm2d(3, affine=False) | t(2, 3, 4, 4)
nn.BatchNorm2d(3, track_running_stats=False) | t(2, 3, 4, 4)
nn.BatchNorm2d(3) | t(0, 3, 4, 4)
nn.BatchNorm3d(3, eps=0.1, dtype=torch.float64) | t(2, 3, 2, 2, 2, dtype=torch.float64)
nn.SyncBatchNorm(3) | t(4, 3)
nn.SyncBatchNorm(3, momentum=None, bias=False) | t(2, 3, 2, 2)
nn.InstanceNorm1d(3) | t(2, 3, 5)
nn.InstanceNorm1d(3) | t(3, 5)
nn.InstanceNorm1d(4) | t(2, 3, 5)
nn.InstanceNorm2d(3, affine=True) | t(2, 3, 4, 4)
nn.InstanceNorm2d(3, affine=True, bias=False, track_running_stats=True) | t(2, 3, 4, 4)
nn.InstanceNorm3d(3, 1e-3, 0.3, True, True) | t(3, 2, 2, 3)
nn.InstanceNorm3d(3, track_running_stats=True) | t(2, 3, 2, 2, 3)
nn.GroupNorm(2, 4) | t(2, 4, 5)
nn.GroupNorm(4, 4, 1e-3) | t(3, 4)
nn.GroupNorm(1, 4, affine=False) | t(2, 4, 3, 3)
nn.GroupNorm(2, 4, bias=False) | t(2, 4, 3)
nn.LayerNorm(5) | t(4, 5)
nn.LayerNorm([4, 5]) | nc(2, 4, 5)
nn.LayerNorm(torch.Size([5]), 1e-2, bias=False) | t(4, 5)
nn.LayerNorm((4, 5), elementwise_affine=False) | t(2, 4, 5)
nn.RMSNorm(5) | t(4, 5)
nn.RMSNorm([4, 5], 1e-3) | t(2, 4, 5)
nn.RMSNorm(5, elementwise_affine=False) | t(4, 5)
nn.LocalResponseNorm(2) | t(2, 5, 3)
nn.LocalResponseNorm(3, 0.1, 0.6, 2.0) | t(2, 5, 3, 3)
nn.CrossMapLRN2d(5, 5e-3, 1e-3, 2) | t(2, 3, 6, 6)
nn.CrossMapLRN2d(3, 0.5) | t(2, 7, 2, 3)
nn.CrossMapLRN2d(3, 0.5) | nc(2, 7, 2, 3)
nn.CrossMapLRN2d(2, 0.5, 0.6) | t(2, 5, 2, 3)
nn.CrossMapLRN2d(4, 0.3, k=2.5) | t(2, 1, 2, 3)
nn.CrossMapLRN2d(9, 0.3) | t(2, 5, 2, 3)
nn.CrossMapLRN2d(3) | t(0, 5, 2, 3)
nn.Dropout() | t(4, 5)
nn.Dropout(0.3, inplace=True) | t(4, 5)
nn.Dropout(0) | t(4, 5)
nn.Dropout(1) | t(4, 5)
nn.Dropout1d(0.3) | t(2, 4, 5)
nn.Dropout1d(0.3, True) | t(4, 5)
nn.Dropout2d(0.3) | t(2, 4, 3, 3)
nn.Dropout2d(0.3) | t(4, 3, 3)
nn.Dropout3d(0.3) | t(2, 4, 2, 2, 2)
nn.Dropout3d(0.3, inplace=True) | t(4, 2, 2, 2)
nn.AlphaDropout(0.3) | t(4, 5)
nn.AlphaDropout(0.3, inplace=True) | t(4, 5)
nn.FeatureAlphaDropout() | t(2, 4, 5)
nn.Embedding(5, 3) | torch.tensor([[1, 2], [4, 0]])
nn.Embedding(5, 3) | torch.tensor([1, 2], dtype=torch.int32)
nn.Embedding(5, 3) | torch.zeros(0, dtype=torch.long)
nn.Embedding(5, 3, 0) | torch.tensor([[0, 2], [4, 0]])
nn.Embedding(5, 3, padding_idx=-2) | torch.tensor([3, 3, 1])
nn.Embedding(5, 3, max_norm=0.5) | torch.tensor([1, 4, 1])
nn.Embedding(5, 3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True) | torch.tensor([1, 4, 1])
nn.Embedding(5, 3, _freeze=True) | torch.tensor([1, 4, 1])
nn.Embedding(5, 3, dtype=torch.float64) | torch.tensor(3)
nn.Embedding.from_pretrained(t(4, 2)) | torch.tensor([1, 3])
nn.Embedding.from_pretrained(t(4, 2), False, 1, 0.5, 1.0, True) | torch.tensor([1, 3, 3])
nn.EmbeddingBag(5, 3) | torch.tensor([[1, 2], [4, 0]])
nn.EmbeddingBag(5, 3) | torch.tensor([1, 2, 4, 0]), torch.tensor([0, 0, 3])
nn.EmbeddingBag(5, 3, mode='sum', include_last_offset=True) | torch.tensor([1, 2, 4]), torch.tensor([0, 2, 3])
nn.EmbeddingBag(5, 3, mode='sum', padding_idx=-1) | torch.tensor([[1, 4]]), None, t(1, 2)
nn.EmbeddingBag(5, 3, mode='max', padding_idx=2) | torch.tensor([[1, 2], [2, 2]])
nn.EmbeddingBag(5, 3, 0.5, 1.0, True) | torch.tensor([[3, 3], [1, 3]])
nn.EmbeddingBag.from_pretrained(t(4, 2), mode='sum') | torch.tensor([[1, 3]])
nn.EmbeddingBag.from_pretrained(t(4, 2), False, padding_idx=1) | torch.tensor([[1, 3]])
nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10, 15], div_value=2.0) | t(6, 16), torch.tensor([0, 17, 3, 12, 9, 7])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, (3, 5), head_bias=True) | t(4, 8), torch.tensor([0, 1, 2, 0])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 5], 2) | t(3, 8), torch.tensor([9, 9, 3])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4]) | t(8), torch.tensor(6)
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4]) | t(8), torch.tensor(2)
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4]) | t(1, 8), torch.tensor([2])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [4], dtype=torch.float64) | t(2, 8, dtype=torch.float64), torch.tensor([2, 8])
"""

# Either the constructor or the call must raise what PyTorch raises.
ERRORS = """
nn.Hardtanh(1, 0) | t(4)
nn.Hardtanh(1, 1) | t(4)
nn.Softshrink(-0.3) | t(4)
nn.CELU(0) | t(4)
nn.RReLU(0.9, 0.1) | t(4)
nn.GELU('relu') | t(4)
nn.GLU() | t(4, 5)
nn.GLU(3) | t(4, 4)
nn.PReLU(3) | t(2, 4, 4)
nn.PReLU(-1) | t(2)
nn.Softmax(2) | t(4, 4)
nn.Softmax2d() | t(4, 4)
nn.ReLU() | [1.0]
nn.ReLU() | t(2), t(2)
nn.Threshold(0.1) | t(4)
nn.BatchNorm1d(3) | t(4)
nn.BatchNorm1d(3) | t(1, 3)
nn.BatchNorm1d(3) | t(4, 4)
nn.BatchNorm1d(-3) | t(4, 4)
nn.BatchNorm2d(3) | t(2, 3, 4)
nn.BatchNorm2d(3) | t(2, 2, 4, 4)
nn.BatchNorm2d(3) | torch.ones(2, 3, 4, 4, dtype=torch.long)
nn.BatchNorm2d(3, affine=False) | torch.ones(2, 3, 4, 4, dtype=torch.long)
nn.BatchNorm2d(3) | t(2, 3, 4, 4, dtype=torch.float64)
nn.InstanceNorm2d(3, affine=True) | torch.ones(2, 3, 4, 4, dtype=torch.long)
nn.GroupNorm(3, 3) | torch.ones(2, 3, 4, 4, dtype=torch.long)
nn.GroupNorm(3, 3, affine=False) | torch.ones(2, 3, 4, 4, dtype=torch.long)
nn.LayerNorm(4) | torch.ones(2, 4, dtype=torch.long)
nn.LayerNorm(4, elementwise_affine=False) | torch.ones(2, 4, dtype=torch.long)
nn.LayerNorm(4) | t(2, 4, dtype=torch.float64)
nn.BatchNorm3d(3) | t(2, 3, 4, 4)
nn.SyncBatchNorm(3) | t(3)
nn.SyncBatchNorm(0) | t(3, 0, 2)
nn.InstanceNorm1d(3) | t(3)
nn.InstanceNorm1d(3, affine=True) | t(2, 4, 5)
nn.InstanceNorm2d(3) | t(2, 3)
nn.InstanceNorm2d(3) | t(2, 3, 1, 1)
nn.InstanceNorm3d(3, track_running_stats=True) | t(2, 4, 2, 2, 2)
nn.GroupNorm(3, 4) | t(2, 4, 5)
nn.GroupNorm(0, 4) | t(2, 4, 5)
nn.GroupNorm(2, 4) | t(2, 6, 5)
nn.GroupNorm(2, 4) | t(4)
nn.LayerNorm(5) | t(4, 6)
nn.LayerNorm((4, 5)) | t(5)
nn.LayerNorm(()) | t(5)
nn.LayerNorm(2.5) | t(5)
nn.RMSNorm(5) | t(4, 6)
nn.RMSNorm(()) | t(5)
nn.LocalResponseNorm(2) | t(4)
nn.CrossMapLRN2d(3) | t(2, 3, 4)
nn.CrossMapLRN2d(0) | t(2, 3, 4, 4)
nn.CrossMapLRN2d(3) | t(2, 0, 4, 4)
nn.CrossMapLRN2d(1) | t(2, 3, 4, 4)
nn.CrossMapLRN2d() | t(2, 3, 4, 4)
nn.Dropout(-0.1) | t(4)
nn.Dropout(1.1) | t(4)
nn.Dropout('a') | t(4)
nn.Dropout1d(0.5) | t(2, 3, 4, 4)
nn.AlphaDropout(2) | t(4)
nn.Embedding(5, 3) | torch.tensor([1, 5])
nn.Embedding(5, 3) | torch.tensor([-1])
nn.Embedding(5, 3) | t(2, 2)
nn.Embedding(5, 3, padding_idx=5) | torch.tensor([1])
nn.Embedding(5, 3, padding_idx=-6) | torch.tensor([1])
nn.Embedding(-5, 3) | torch.tensor([1])
nn.Embedding(5, 3, _weight=torch.ones(5, 4)) | torch.tensor([1])
nn.Embedding.from_pretrained(torch.ones(4)) | torch.tensor([1])
nn.Embedding.from_pretrained(torch.ones(4, 2), padding_idx=4) | torch.tensor([1])
nn.EmbeddingBag(5, 3) | torch.tensor([1, 2])
nn.EmbeddingBag(5, 3) | torch.tensor([[1, 2]]), torch.tensor([0])
nn.EmbeddingBag(5, 3) | torch.tensor([[[1, 2]]])
nn.EmbeddingBag(5, 3) | torch.tensor([1, 2]), torch.tensor([1])
nn.EmbeddingBag(5, 3) | torch.tensor([1, 2]), torch.tensor([0, 3])
nn.EmbeddingBag(5, 3) | torch.tensor([1, 5]), torch.tensor([0])
nn.EmbeddingBag(5, 3) | torch.tensor([[1, 2]]), None, t(1, 2)
nn.EmbeddingBag(5, 3, mode='sum') | torch.tensor([[1, 2]]), None, t(2, 1)
nn.EmbeddingBag(5, 3, mode='median') | torch.tensor([[1, 2]])
nn.EmbeddingBag(5, 3, mode='max', scale_grad_by_freq=True) | torch.tensor([[1, 2]])
nn.EmbeddingBag(5, 3, padding_idx=5) | torch.tensor([[1, 2]])
nn.EmbeddingBag.from_pretrained(torch.ones(4)) | torch.tensor([[1]])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, []) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5, 3]) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5, 5]) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [0, 5]) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5, 10]) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5.5]) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, 5) | t(2, 8), torch.tensor([2, 8])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 8), torch.tensor([2, 10])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 8), torch.tensor([2, -1])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(3, 8), torch.tensor([2, 1])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 7), torch.tensor([2, 1])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 8), torch.tensor([[2, 1]])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 8), torch.tensor(2)
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 2, 8), torch.tensor([2, 1])
nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5]) | t(2, 8), t(2)
"""

# Programs whose variables must be the same.
PROGRAMS = """
m = repr(nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.ReLU6(True), nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3, 5]))))
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12]); x = t(6, 8); p = _m.log_prob(x); c = _m.predict(x)
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [2, 12], head_bias=True); x = t(50, 8, low=-20, high=20); c = _m.predict(x)
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [18]); _m.head.weight.data[18] = 0; x = t(5, 8, low=5, high=6); _m.head.weight.data[:18] = -1; c = _m.predict(x)
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [18]); _m.head.weight.data[18] = -9; x = t(5, 8, low=5, high=6); c = _m.predict(x)
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12]); torch.manual_seed(3); _m.reset_parameters(); p = list(_m.parameters())
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]); p = _m.predict(torch.zeros(0, 8)); l = _m.log_prob(torch.zeros(0, 8))
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]); y = _m(torch.zeros(0, 8), torch.zeros(0, dtype=torch.long))
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]); _y = _m(t(2, 8), torch.tensor([1, 9])); n = _y._fields; l = _y.loss; o = _y.output; c = type(_y).__name__
_m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]); _x = t(2, 8).requires_grad_(); _m.log_prob(_x).sum().backward(); g = _x.grad; p = [_p.grad for _p in _m.parameters()]
_m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3).eval(), nn.ModuleList([nn.BatchNorm2d(2, affine=False)])); _s = nn.SyncBatchNorm.convert_sync_batchnorm(_m, 'group'); text = repr(_s); same = _s is _m; g = _s[1].process_group; e = [_l.training for _l in _s.modules()]; k = list(_s.state_dict())
_b = nn.BatchNorm1d(3, bias=False); _s = nn.SyncBatchNorm.convert_sync_batchnorm(_b); same = [_s.weight is _b.weight, _s.running_mean is _b.running_mean, _s.bias is None, _s is _b]
_b = nn.BatchNorm1d(3); _b(t(4, 3)); _b(t(4, 3)); _b.reset_running_stats(); s = dict(_b.state_dict())
_b = nn.BatchNorm1d(3); _b.weight.data.mul_(3); _b(t(4, 3)); _b.reset_parameters(); s = dict(_b.state_dict())
_b = nn.BatchNorm1d(3); _s = _b.state_dict(); v = _s._metadata[''];  i = nn.InstanceNorm1d(3, affine=True).state_dict()._metadata['']
_b = nn.BatchNorm1d(3, track_running_stats=False); y = _b.eval()(t(4, 3)); k = list(_b.state_dict()); n = [_b.running_mean, _b.running_var, _b.num_batches_tracked]
_b = nn.BatchNorm1d(3); _b.running_mean = None; _b.running_var = None; y = _b.eval()(t(4, 3))
_b = nn.BatchNorm1d(3); _s = _b.state_dict(); del _s['num_batches_tracked']; _b.load_state_dict(_s)
_b = nn.BatchNorm1d(3); _s = dict(_b.state_dict()); del _s['num_batches_tracked']; r = [list(_k) for _k in _b.load_state_dict(_s)]
_i = nn.InstanceNorm1d(3); _s = {'running_mean': torch.zeros(3), 'running_var': torch.ones(3)}; _i.load_state_dict(_s)
_i = nn.InstanceNorm1d(3); _s = {'running_mean': torch.zeros(3)}; _i.load_state_dict(_s, strict=False)
_i = nn.InstanceNorm1d(3, track_running_stats=True); _s = {'running_mean': torch.zeros(3), 'running_var': torch.ones(3)}; r = [list(_k) for _k in _i.load_state_dict(_s)]
_b = nn.BatchNorm2d(3).half(); d = [str(_t.dtype) for _t in _b.state_dict().values()]
_b = nn.BatchNorm2d(3); _b.half(); _b.float(); y = _b(t(2, 3, 4, 4))
_b = nn.BatchNorm1d(3); _b.momentum = 0; _b(t(4, 3)); s = dict(_b.state_dict())
_e = nn.Embedding(5, 3, max_norm=0.5); _e(torch.tensor([1, 2])); w = _e.weight; n = _e.weight.norm(dim=1)
_w = t(4, 2); _e = nn.Embedding.from_pretrained(_w); _w[0] = 7; w = _e.weight
_e = nn.Embedding(5, 3, padding_idx=2); z = _e.weight[2]; _e.weight.data.fill_(1); _e.reset_parameters(); w = _e.weight
_e = nn.Embedding.from_pretrained(t(4, 2), padding_idx=1); w = _e.weight
_p = nn.PReLU(2); _p.weight.data.zero_(); _p.reset_parameters(); w = _p.weight; i = _p.init
_r = nn.RReLU(); x = t(3, 4); a = _r(x); b = _r(x); c = _r.eval()(x)
_d = nn.Dropout(0.5); x = t(3, 4); a = _d(x); b = _d(x); _d.p = 0.1; c = _d(x); s = _d.eval()(x) is x
_m = nn.CrossMapLRN2d(3, 0.5); _x = t(1, 4, 2, 2).requires_grad_(); _y = _m(_x); n = type(_y.grad_fn).__name__; g = torch.autograd.grad(_y.sum(), _x)
_m = nn.CrossMapLRN2d(3, 0.5); _x = t(1, 4, 2, 2).requires_grad_(); g = torch.autograd.grad(_m(_x).sum() + _x.pow(2).sum(), _x, create_graph=True)
_m = nn.CrossMapLRN2d(1, 0.5); y = _m(t(1, 4, 2, 2))
_m = nn.CrossMapLRN2d(3, 0.5).eval(); y = _m(t(1, 4, 2, 2, dtype=torch.float64))
r = [issubclass(nn.ReLU6, nn.Hardtanh), issubclass(nn.SyncBatchNorm, nn.BatchNorm1d), issubclass(nn.Dropout, nn.modules.dropout._DropoutNd), issubclass(nn.SyncBatchNorm, nn.modules.batchnorm._BatchNorm), issubclass(nn.InstanceNorm1d, nn.modules.batchnorm._NormBase)]
r = [nn.modules.sparse.Embedding is nn.Embedding, nn.modules.adaptive.AdaptiveLogSoftmaxWithLoss is nn.AdaptiveLogSoftmaxWithLoss, nn.modules.normalization.CrossMapLRN2d is nn.CrossMapLRN2d, nn.modules.PReLU is nn.PReLU]
"""

# What a call warns of: the category and the first six words.
WARNINGS = """
nn.Softmax()(t(4, 5))
nn.LogSoftmax()(t(4, 5, 2))
nn.Softmin()(t(4, 5))
nn.Hardtanh(min_value=-0.5)
nn.Hardtanh(max_value=0.5)
nn.InstanceNorm1d(4)(t(2, 3, 5))
nn.Dropout2d()(t(2, 3, 5))
nn.Dropout2d()(t(2, 3))
nn.Dropout3d()(t(2, 3, 5))
nn.Dropout1d()(t(2, 3, 5))
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def calls(text: str) -> list[tuple[str, ...]]:
    return [tuple(line.split(" | ")) for line in lines(text)]


def called(text: str) -> str:
    return text[:80]


CALL = """
_m = {layer}
start = dict(_m.named_parameters())
wanted = [p.requires_grad for p in _m.parameters()]
text = repr(_m)
keys = list(_m.state_dict())
version = _m.state_dict()._metadata[""]
_plain = (int, float, str, tuple, list, type(None))
settings = {{k: v for k, v in sorted(vars(_m).items()) if isinstance(v, _plain) and k[0] != "_"}}
def _call():
    _m.zero_grad()
    given = [a.detach().requires_grad_() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in _given]
    # What an in-place layer changes is no leaf.
    y = _m(*[a * 1 if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in given])
    outputs = [o for o in (y if isinstance(y, tuple) else [y]) if o.requires_grad]
    if outputs: sum((o * torch.linspace(0.5, 2, o.numel()).reshape(o.shape)).sum() for o in outputs).backward()
    return [y, [a.grad for a in given if isinstance(a, torch.Tensor)], [p.grad for p in _m.parameters()]]
_given = ({arguments},)
in_training = _call()
again = _call()
after = {{k: v * 1 for k, v in _m.state_dict().items()}}
_m.eval()
in_evaluation = _call()
at_the_end = dict(_m.state_dict())
"""


@pytest.mark.parametrize(("layer", "arguments"), calls(LAYERS), ids=called)
def test_layer(layer: str, arguments: str) -> None:
    hold(CALL.format(layer=layer, arguments=arguments), rtol=1e-4, atol=1e-5, strides=False)


@pytest.mark.parametrize(("layer", "arguments"), calls(ERRORS), ids=called)
def test_error(layer: str, arguments: str) -> None:
    program = CALL.format(layer=layer, arguments=arguments)
    hold(program)
    with pytest.raises(Exception):  # noqa: B017
        run_in(CANDIDATE, program)


@pytest.mark.parametrize("program", lines(PROGRAMS), ids=called)
def test_program(program: str) -> None:
    hold(program, rtol=1e-4, atol=1e-5, strides=False)


def run_in(lib: ModuleType, program: str, seed: int = 0) -> dict[str, Any]:
    """The variables of a program, which may raise."""
    names = Data(lib).namespace()
    lib.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(program, names)
    return names


def warned(lib: ModuleType, call: str) -> list[tuple[str, str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        eval(call, Data(lib).namespace())
    return [(w.category.__name__, " ".join(str(w.message).split()[:6])) for w in caught]


@pytest.mark.parametrize("call", lines(WARNINGS), ids=called)
def test_warning(call: str) -> None:
    assert warned(CANDIDATE, call) == warned(REFERENCE, call)


@pytest.mark.parametrize("layer", sorted({layer for layer, _ in calls(LAYERS)}), ids=called)
def test_state_dicts_interchange(layer: str) -> None:
    """State dicts go into the other library, key by key, and come out as they went in."""
    for giver, taker in ((CANDIDATE, REFERENCE), (REFERENCE, CANDIDATE)):
        given = run_in(giver, f"m = {layer}", seed=1)["m"].state_dict()
        m = run_in(taker, f"m = {layer}", seed=2)["m"]
        state = {key: taker.from_numpy(to_array(value).copy()) for key, value in given.items()}
        result = m.load_state_dict(state)
        assert (result.missing_keys, result.unexpected_keys) == ([], [])
        for key, value in m.state_dict().items():
            assert name_of(value.dtype) == name_of(given[key].dtype), key
            assert (to_array(value) == to_array(given[key])).all(), key


@pytest.mark.parametrize("layer", sorted({layer for layer, _ in calls(LAYERS)}), ids=called)
def test_copies_are_the_same_layer(layer: str) -> None:
    """Deep copies and pickles have the same text, settings and weights."""
    m = run_in(CANDIDATE, f"m = {layer}")["m"]
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert repr(twin) == repr(m)
        assert list(vars(twin)) == list(vars(m))
        for (key, value), other in zip(m.state_dict().items(), twin.state_dict().values(), strict=True):
            assert (to_array(value) == to_array(other)).all(), key


def test_sparse_gradients_are_refused() -> None:
    """PyTorch makes sparse gradients; here asking for them is a clear error."""
    for layer in ("nn.Embedding(5, 3, sparse=True)", "nn.EmbeddingBag(5, 3, sparse=True)"):
        m = run_in(CANDIDATE, f"m = {layer}")["m"]
        assert repr(m) == repr(run_in(REFERENCE, f"m = {layer}")["m"])
        with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)sparse"):
            m(CANDIDATE.tensor([[1, 2]])).sum().backward()


def test_frequencies_in_bags() -> None:
    """Gradients of rows are divided by how often each is used, as PyTorch's documentation has it.

    PyTorch's own bag looks up the count of a wrong row here, [1, 1, 1, 3][1], and finds 1/3 for row 3.
    """
    m = CANDIDATE.nn.EmbeddingBag(5, 1, mode="sum", scale_grad_by_freq=True)
    m(CANDIDATE.tensor([[1, 1], [3, 1]])).sum().backward()
    assert m.weight.grad.flatten().tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]
