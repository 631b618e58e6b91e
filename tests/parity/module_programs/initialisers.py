"""Programs about what `nn.init` refuses."""

from __future__ import annotations

PROGRAMS = """
# wrong types
x = [attempt(getattr(nn.init, n), 3) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_uniform_", "xavier_normal_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_")]
y = attempt(nn.init.constant_, "x", 1.0), attempt(nn.init.dirac_, [1]), attempt(nn.init.sparse_, 3, 0.5), attempt(nn.init.uniform_, None)

# uninitialised parameters
_p = lambda: nn.UninitializedParameter()
x = [attempt(getattr(nn.init, n), _p()) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "xavier_uniform_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_", "trunc_normal_")]
y = attempt(nn.init.constant_, _p(), 1.0), attempt(nn.init.dirac_, _p()), attempt(nn.init.sparse_, _p(), 0.5)

# wrong sizes and settings
_t = torch.ones(3)
x = [attempt(getattr(nn.init, n), _t) for n in ("eye_", "dirac_", "xavier_uniform_", "kaiming_normal_", "orthogonal_")], attempt(nn.init.sparse_, _t, 0.5)
y = attempt(nn.init.kaiming_normal_, torch.ones(2, 2), mode="x"), attempt(nn.init.kaiming_normal_, torch.ones(2, 2), nonlinearity="x"), attempt(nn.init.calculate_gain, "leaky_relu", "x"), attempt(nn.init.dirac_, torch.ones(3, 2, 2), 2), attempt(nn.init.kaiming_normal_, torch.ones(2, 2), mode=3)

# integers
_t = torch.ones(3, 3, dtype=torch.int64)
x = [attempt(getattr(nn.init, n), _t.clone()) if n in ("ones_", "zeros_", "eye_") else isinstance(attempt(getattr(nn.init, n), _t.clone()), str) for n in ("uniform_", "normal_", "ones_", "zeros_", "eye_", "kaiming_uniform_")]
"""
