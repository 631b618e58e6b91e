"""Tensors that a module owns: ``Parameter`` is trained, ``Buffer`` is only kept.

The uninitialised kinds of both stand for tensors whose shape is not known yet: see ``rustnn.nn.lazy``.
"""

from __future__ import annotations

from collections import OrderedDict

from rustnn import _C
from rustnn._C import DisableTorchFunctionSubclass, Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class Parameter(Tensor):
    """A tensor that becomes part of ``module.parameters()`` when it is assigned to an attribute of a module.

    It shares the memory of ``data`` (any shape; floating point or complex where ``requires_grad``, which is
    the default). RuntimeError if another dtype is to require gradients.
    """

    # What operations make of parameters are plain tensors.
    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment]

    if TYPE_CHECKING:

        def __init__(self, data: Any = None, requires_grad: bool = True) -> None: ...

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = _C.empty(0)
        elif not isinstance(data, Tensor):
            raise AttributeError(f"{type(data).__name__!r} object has no attribute 'detach'")
        parameter: Parameter = Tensor._make_subclass(cls, data.detach(), requires_grad)
        return parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) in memo:
            known: Parameter = memo[id(self)]
            return known
        copy = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        parts: tuple[Any, ...] = (self.detach(), self.requires_grad, OrderedDict())
        state = vars(self)
        return (_rebuild_parameter_with_state, (*parts, state)) if state else (_rebuild_parameter, parts)


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to.

    ``persistent`` ones go into the state dict.
    """

    persistent: bool
    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment]

    if TYPE_CHECKING:

        def __init__(self, data: Any = None, *, persistent: bool = True) -> None: ...

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            data = _C.empty(0)
        buffer: Buffer = Tensor._make_subclass(cls, data.detach(), data.requires_grad)
        buffer.persistent = persistent
        return buffer

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        if id(self) in memo:
            known: Buffer = memo[id(self)]
            return known
        copy = type(self)(self.detach().clone(), persistent=self.persistent)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        # PyTorch keeps a plain tensor here, and so do pickles.
        return self.detach().__reduce_ex__(protocol)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """What a pickle calls to make a parameter again."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: dict[str, Any]
) -> Parameter:
    """What a pickle calls to make a parameter again that has attributes of the user's own."""
    parameter = Parameter(data, requires_grad)
    vars(parameter).update(state)
    return parameter


#: Methods that know nothing of `__torch_function__` and that an uninitialised tensor refuses all the same.
_REFUSED = """
__array__ __bool__ __complex__ __delitem__ __dlpack__ __float__ __format__ __iadd__ __iand__ __ifloordiv__
__ilshift__ __imod__ __imul__ __index__ __int__ __ior__ __ipow__ __irshift__ __isub__ __itruediv__ __ixor__
__len__ __pos__ __setitem__ apply_ as_subclass backward bfloat16 bool byte cdouble cfloat chalf data_ptr
dense_dim detach_ dim dim_order element_size is_contiguous is_inference is_pinned is_set_to is_shared item
ndimension nelement new new_tensor numel numpy pin_memory register_hook register_post_accumulate_grad_hook
requires_grad_ resize_ resize_as_ retain_grad set_ sparse_dim squeeze_ storage storage_offset stride
swapaxes_ swapdims_ t_ to_dense tolist transpose_ type unsqueeze_ untyped_storage
""".split()  # fmt: skip


class UninitializedTensorMixin:
    """A tensor without a shape: it can change its dtype and device, and `materialize`; the rest it refuses.

    ValueError for operations, RuntimeError for its shape.
    """

    _allowed_methods: ClassVar[list[Any]] = [
        getattr(Tensor, name)
        for name in (
            "__hash__ size copy_ is_complex is_floating_point half float double char short int long cuda cpu "
            "to get_device"
        ).split()
    ]
    #: The class of the tensor once it has a shape.
    cls_to_become: ClassVar[type[Tensor]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Operations look at their arguments' classes from when one with a `__torch_function__` is announced.
        # That is put off until there is an object: see `_announce`.
        pass

    @classmethod
    def _announce(cls) -> None:
        super().__init_subclass__()

    def materialize(self, shape: int | Sequence[int], device: Any = None, dtype: Any = None) -> None:
        """Become a tensor of this shape, uninitialised, with the dtype and device it has or is told."""
        data = _data_of(self)
        made = _C.empty(shape, device=device or data.device, dtype=dtype or data.dtype)
        self.data = made
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    @property
    def shape(self) -> Any:
        """RuntimeError: there is none."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. Call "
            "`forward` to initialize the parameters before accessing their attributes."
        )

    def share_memory_(self) -> Any:
        """RuntimeError: there is no memory yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to initialize the "
            "parameters before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad,)  # type: ignore[attr-defined]

    @classmethod
    def _refusal(cls, function: Any) -> ValueError:
        return ValueError(
            f"Attempted to use an uninitialized parameter in {function}. This error happens when you are "
            f"using a `LazyModule` or explicitly manipulating `torch.nn.parameter.{cls.__name__}` objects. "
            "When using LazyModules Call `forward` with a dummy batch to initialize the parameters before "
            "calling torch functions"
        )

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        cls._check(func)
        return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[misc]

    @classmethod
    def _check(cls, func: Any) -> None:
        """ValueError for what needs a shape."""
        # Attributes come here as well once some class has a `__torch_function__`; those may be asked for.
        if func not in cls._allowed_methods and type(func).__name__ != "method-wrapper":
            raise cls._refusal(func)


def _refusing(name: str) -> Callable[..., Any]:
    function = getattr(Tensor, {"ndimension": "dim"}.get(name, name))

    def refuse(self: UninitializedTensorMixin, *args: Any, **kwargs: Any) -> Any:
        raise self._refusal(function)

    return refuse


for _name in _REFUSED:
    setattr(UninitializedTensorMixin, _name, _refusing(_name))


def is_lazy(param: Any) -> bool:
    """Whether it is an uninitialised parameter or buffer."""
    return isinstance(param, UninitializedTensorMixin)


def _plain(name: str) -> Callable[..., Any]:
    """The method of this name whose result is a plain tensor, or the object itself."""
    function = getattr(Tensor, name)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        with DisableTorchFunctionSubclass():
            return function(self, *args, **kwargs)

    return method


def _data_of(tensor: Any) -> Tensor:
    with DisableTorchFunctionSubclass():
        data: Tensor = Tensor.data.__get__(tensor)  # type: ignore[attr-defined]
        return data


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet, of this dtype and device."""

    cls_to_become = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        cls._announce()
        empty = _C.empty(0, device=device, dtype=dtype)
        made: UninitializedParameter = Tensor._make_subclass(cls, empty, requires_grad)
        return made

    data = property(_data_of, Tensor.data.__set__)  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        copied: UninitializedParameter = _copied(self, memo)
        return copied


for _name in ("to", "cpu", "cuda", "half", "float", "double", "char", "short", "int", "long"):
    setattr(UninitializedParameter, _name, _plain(_name))


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A buffer whose shape is not known yet, of this dtype and device."""

    cls_to_become = Tensor

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> UninitializedBuffer:
        cls._announce()
        empty = _C.empty(0, device=device, dtype=dtype)
        made: UninitializedBuffer = Tensor._make_subclass(cls, empty, requires_grad)
        made.persistent = persistent
        return made

    @classmethod
    def __torch_function__(  # type: ignore[override]
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        cls._check(func)
        # Past `Buffer`, whose results are plain: a buffer of another dtype still waits for its shape.
        return super(Buffer, cls).__torch_function__(func, types, args, kwargs or {})

    # PyTorch refuses to copy these, and with them every lazy batch normalisation.
    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        copied: UninitializedBuffer = _copied(self, memo, persistent=self.persistent)
        return copied


def _copied(tensor: Any, memo: dict[int, Any], **settings: Any) -> Any:
    if id(tensor) not in memo:
        memo[id(tensor)] = type(tensor)(tensor.requires_grad, tensor.device, tensor.dtype, **settings)
    return memo[id(tensor)]
