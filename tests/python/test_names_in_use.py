"""The 300 names of torch that public scripts use most are there; what is missing is named with its reason."""

from __future__ import annotations

import pytest

import rustnn as torch
from rustnn import compat

# By the owner, in the order of use.
NAMES = {
    "nn": """
    Module Linear Sequential Conv2d ReLU Parameter Dropout CrossEntropyLoss Embedding ModuleList
    BatchNorm2d LayerNorm GELU Identity MaxPool2d Tanh MSELoss LeakyReLU Softmax Flatten
    utils.clip_grad_norm_ Sigmoid init.constant_ ConvTranspose2d init.normal_ LSTM GRU
    AdaptiveAvgPool2d LazyLinear AvgPool2d Upsample BatchNorm1d L1Loss init.orthogonal_ RNN
    DataParallel init.xavier_uniform_ init.zeros_ BCELoss Dropout2d parallel.DistributedDataParallel
    BCEWithLogitsLoss NLLLoss Conv1d SiLU LazyConv2d InstanceNorm2d MultiheadAttention
    """,
    "Tensor": """
    shape backward item view data size mean device numpy unsqueeze sum reshape squeeze transpose
    detach max dtype flatten type argmax grad numel tolist permute chunk contiguous exp long clone
    clamp pow requires_grad copy_ masked_fill T abs fill_ gather ndim repeat masked_fill_ zero_ sin
    bool cos expand softmax topk t eq std uniform_ var repeat_interleave split sqrt add_ min clamp_
    log any expand_as dim norm normal_ sigmoid int mul unbind all mul_ type_as view_as div mm
    element_size nonzero cumsum scatter_ unique dot floor grad_fn index_add_ resize clip nelement
    ravel
    """,
    "Module": """
    parameters eval train register_buffer apply training named_parameters add_module children
    modules buffers named_modules register_forward_hook
    """,
    "Optim/LRS": """
    step
    """,
    "Module/Optim": """
    zero_grad state_dict load_state_dict
    """,
    "Tensor/Module": """
    to cpu float cuda requires_grad_ double
    """,
    "torch": """
    cat no_grad cuda.is_available tensor zeros randn device manual_seed arange ones Tensor
    autograd.Variable from_numpy save float32 load LongTensor stack FloatTensor argmax softmax rand
    long mean exp sum __version__ log linspace zeros_like max randint matmul sqrt tanh sin cos
    backends.cudnn.deterministic bool float inf triu where einsum inference_mode empty bfloat16
    cuda.manual_seed flatten meshgrid pi pow randn_like sigmoid backends.mps.is_available clamp
    cuda.FloatTensor multinomial as_tensor cuda.synchronize cuda.max_memory_allocated
    accelerator.current_accelerator compile ones_like topk full accelerator.is_available unsqueeze
    abs float64 backends.cudnn.benchmark cuda.device_count distributed.init_process_group min mm
    normal rsqrt amp.autocast allclose cuda.reset_peak_memory_stats cuda.set_device all
    autograd.grad eye is_tensor randperm autograd.Function distributed.destroy_process_group
    distributions.Categorical unique bmm distributed.is_initialized float16 int32 int64 rand_like
    finfo distributed.all_reduce fx.symbolic_trace gather multiprocessing.spawn tril
    distributions.categorical.Categorical dot empty_like
    """,
    "optim": """
    Adam SGD AdamW Optimizer lr_scheduler.StepLR
    """,
    "data": """
    DataLoader Dataset random_split TensorDataset distributed.DistributedSampler
    """,
    "F": """
    relu softmax cross_entropy mse_loss log_softmax pad silu max_pool2d normalize avg_pool2d
    scaled_dot_product_attention adaptive_avg_pool2d nll_loss sigmoid linear interpolate dropout
    one_hot smooth_l1_loss binary_cross_entropy
    """,
    "Distribution": """
    sample log_prob entropy
    """,
    "Optim": """
    param_groups
    """,
    "Function": """
    ctx.saved_tensors ctx.save_for_backward
    """,
}


def objects(owner: str) -> list[object]:
    """What stands for an owner: the classes of which one must have the names, or a module."""
    module = torch.nn.Linear(2, 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    return {
        "Module": [module],
        "Module/Optim": [module, optimizer],
        "Optim": [optimizer],
        "Optim/LRS": [optimizer, schedule],
        "Tensor": [torch.ones(2)],
        "Tensor/Module": [torch.ones(2), module],
        "Distribution": [torch.distributions.Normal(0.0, 1.0)],
    }[owner]


def held(owner: str, name: str) -> bool:
    if owner == "Function":
        return (
            hasattr(torch.autograd.function.FunctionCtx, name.removeprefix("ctx."))
            or name == "ctx.saved_tensors"
        )
    try:
        holders = objects(owner)
    except KeyError:
        place = {"F": "torch.nn.functional", "data": "torch.utils.data", "torch": "torch"}.get(
            owner, f"torch.{owner}"
        )
        try:
            compat.find(f"{place}.{name}")
        except (AttributeError, ModuleNotFoundError):
            return False
        return True
    return all(hasattr(holder, name) for holder in holders)


@pytest.mark.filterwarnings("ignore:The use of `x.T`")
@pytest.mark.parametrize("owner", NAMES)
def test_names_are_there(owner: str) -> None:
    assert [name for name in NAMES[owner].split() if not held(owner, name)] == []


def test_there_are_three_hundred() -> None:
    assert sum(len(names.split()) for names in NAMES.values()) == 300
