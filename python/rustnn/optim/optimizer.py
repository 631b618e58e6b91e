"""``Optimizer``: groups of parameters with their settings, and what is remembered about each parameter."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from functools import wraps

from rustnn import _C
from rustnn._C import Tensor
from rustnn.autograd import enable_grad, no_grad, set_grad_enabled
from rustnn.nn.module import typename
from rustnn.utils.hooks import RemovableHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    Hook = Callable[..., Any]

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

# Types for annotations, by PyTorch's names.
ParamsT = Iterable[Tensor | dict[str, "Any"] | tuple[str, Tensor]]
Args = tuple["Any", ...]
Kwargs = dict[str, "Any"]
GlobalOptimizerPreHook = Callable[["Optimizer", Args, Kwargs], "tuple[Args, Kwargs] | None"]
GlobalOptimizerPostHook = Callable[["Optimizer", Args, Kwargs], None]

_global_optimizer_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_global_optimizer_post_hooks: OrderedDict[int, Hook] = OrderedDict()


def register_optimizer_step_pre_hook(hook: GlobalOptimizerPreHook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before every step of any optimizer, made before or later."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: GlobalOptimizerPostHook) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after every step of any optimizer, made before or later."""
    return _register(_global_optimizer_post_hooks, hook)


class _Required:
    """The default of a setting that has none: every group must bring it."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of all optimizers.

    ``params`` are tensors, (name, tensor) pairs, or dicts ``{"params": ..., "lr": ...}``, one a group;
    ``defaults`` are the settings of a group that does not bring its own. A subclass defines ``step``.
    """

    defaults: dict[str, Any]
    state: defaultdict[Any, Any]
    param_groups: list[dict[str, Any]]

    OptimizerPreHook = GlobalOptimizerPreHook
    OptimizerPostHook = GlobalOptimizerPostHook

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hook_tables()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + typename(params)
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hook_tables(self) -> None:
        self._optimizer_step_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hook_tables()
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        groups = []
        for i, group in enumerate(self.param_groups):
            settings = (f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            groups.append(f"Parameter Group {i}\n" + "".join(settings))
        return f"{type(self).__name__} (\n" + "\n".join(groups) + ")"

    # ---- parameters ----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group ``{"params": ..., setting: value, ...}``, for instance of layers that are unfrozen
        later.

        TypeError for what is no dict, no list of tensors or a set; ValueError for tensors that are computed,
        or that a group already has.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets "
                "will change between runs. Please use a list instead."
            )
        members = [given] if isinstance(given, Tensor) else list(given)
        names = []
        params = []
        for member in members:
            if isinstance(member, tuple):
                names.append(member[0])
                params.append(member[1])
            else:
                params.append(member)
        if names and len(names) != len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is " + typename(param)
                )
            if not (self.defaults.get("differentiable") or param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        param_group["params"] = params
        if names:
            param_group["param_names"] = names

        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)

        own = {id(param) for param in params}
        if len(own) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will "
                "cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        if any(id(param) in own for group in self.param_groups for param in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            how = "with" if "param_names" in param_group else "without"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {how} names to the optimizer"
            )
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                    continue
                gradient = param.grad
                if gradient is None:
                    continue
                if gradient.grad_fn is not None:
                    gradient.detach_()
                else:
                    gradient.requires_grad_(False)
                with no_grad():
                    gradient.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change the parameters once.

        ``closure`` computes the loss anew and returns it, and so does ``step``.
        """
        raise NotImplementedError

    # ---- state ---------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: ...}, "param_groups": [...]}``, where parameters are numbered in their order.

        The tensors are the optimizer's own, not copies.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed["params"] = [numbers[id(param)] for param in group["params"]]
            groups.append(packed)
        state = {
            (numbers[id(key)] if isinstance(key, Tensor) else key): value for key, value in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            new = hook(self, result)
            if new is not None:
                result = new
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from what ``state_dict`` of an optimizer over like parameters gave.

        State follows its parameter's dtype and device. ValueError if the numbers of groups or parameters
        differ.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            new = hook(self, state_dict)
            if new is not None:
                state_dict = new
        import copy

        saved_groups = copy.deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        pairs = list(zip(self.param_groups, saved_groups, strict=True))
        if any(len(own["params"]) != len(saved["params"]) for own, saved in pairs):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group"
            )
        params: dict[Any, Tensor] = {}
        for own, saved in pairs:
            params.update(zip(saved["params"], own["params"], strict=True))
            saved["params"] = own["params"]
            if "param_names" in own:
                saved.setdefault("param_names", own["param_names"])
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _follow(params[key], value)
            else:
                state[key] = value
        self.__setstate__({"state": state, "param_groups": saved_groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---- hooks ---------------------------------------------------------------------------------------------

    def _patch_step_function(self) -> None:
        """Puts the class's ``step`` between hooks, once."""
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = self.profile_hook_step(cls.step)  # type: ignore[method-assign]

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """``func``, a ``step``, between the optimizer's hooks and those of all optimizers."""

        @wraps(func)
        def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
            pre, post = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
            if not (pre or post or _global_optimizer_pre_hooks or _global_optimizer_post_hooks):
                return func(self, *args, **kwargs)
            args = (self, *args)  # hooks see the optimizer among the arguments too
            for hook in (*_global_optimizer_pre_hooks.values(), *pre.values()):
                new = hook(self, args, kwargs)
                if new is None:
                    continue
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(
                        f"{func} must return None or a tuple of (new_args, new_kwargs), but got {new}."
                    )
                args, kwargs = new
            result = func(*args, **kwargs)
            for hook in (*post.values(), *_global_optimizer_post_hooks.values()):
                hook(self, args, kwargs)
            return result

        hooked.hooked = True  # type: ignore[attr-defined]
        return hooked

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before every step; it may return new ``(args, kwargs)``."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict``."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; it may return another one."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict``; it may return another one."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _register(table: Any, hook: Hook, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _follow(param: Tensor, value: Any, key: Any = None) -> Any:
    """A parameter's state with its tensors in the parameter's dtype and on its device, but for the step "
    "count."""
    if isinstance(value, Tensor):
        if key == "step":
            return value
        return (
            value.to(dtype=param.dtype, device=param.device)
            if param.is_floating_point()
            else value.to(param.device)
        )
    if isinstance(value, dict):
        return {name: _follow(param, entry, name) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_follow(param, entry) for entry in value)
    return value


class FusedOptimizer(Optimizer):
    """An optimizer whose step is one native call over all parameters of a group."""

    # Settings that groups of old checkpoints lack, with what they had in their place.
    later_settings: ClassVar[dict[str, Any]]
    # Whether a step depends on how many there were.
    _counts_steps: ClassVar[bool] = True
    _warned_capturable = False

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """What is remembered about a parameter, before its first step."""
        raise NotImplementedError

    def _update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        """Change the parameters of a group and their states."""
        raise NotImplementedError

    def _recorded_step(
        self, param: Tensor, grad: Tensor, entry: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change one parameter and its state by operations that are recorded; steps are counted already."""
        raise NotImplementedError

    def _record_update(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        with set_grad_enabled(self.defaults["differentiable"]):
            for param, grad, entry in zip(params, grads, states, strict=True):
                if "step" in entry:
                    entry["step"] += 1
                self._recorded_step(param, -grad if group["maximize"] else grad, entry, group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.later_settings.items():
                group.setdefault(name, value)
            for param in group["params"]:
                entry = self.state.get(param)
                if entry and "step" in entry and not isinstance(entry["step"], Tensor):
                    entry["step"] = count(float(entry["step"]))  # a number in old checkpoints
                if entry:
                    _place_counts(param, entry, group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; returns what ``closure`` returns.

        With ``differentiable=True`` the step is recorded: gradients flow through the new parameters to the
        gradients (made with ``create_graph=True``), the old parameters and a rate that is a tensor.
        """
        capturing = _C._cuda_is_capturing()
        if capturing or self.defaults.get("capturable"):
            self._check_capture(capturing)
        loss = None if closure is None else call_closure(closure)
        for group in self.param_groups:
            params, grads = with_gradients(group["params"])
            if params:
                update = self._record_update if group["differentiable"] else self._update
                update(params, grads, self._states(params, group), group)
        return loss

    def _check_capture(self, capturing: bool) -> None:
        """RuntimeError if a graph is captured, and steps are counted on the host."""
        capturable = [group.get("capturable") for group in self.param_groups]
        if capturing and not all(capturable) and self._counts_steps:
            raise RuntimeError(
                f"Attempting CUDA graph capture of step() for an instance of {type(self).__name__} but "
                "param_groups' capturable is False."
            )
        on_gpu = any(param.is_cuda for group in self.param_groups for param in group["params"])
        if on_gpu and not capturing and all(capturable) and not self._warned_capturable:
            import warnings

            self._warned_capturable = True
            warnings.warn(
                "This instance was constructed with capturable=True or some of all the param_groups came "
                "with capturable=True, but step() is running without CUDA graph capture. If you never intend "
                "to graph-capture this instance, capturable=True can impair performance, and you should set "
                "capturable=False.",
                stacklevel=4,
            )

    def _states(self, params: list[Tensor], group: dict[str, Any]) -> list[dict[str, Any]]:
        """The dicts of these parameters, new ones before their first step."""
        known = self.state
        states = []
        for param in params:
            entry = known[param]
            if not entry:
                known[param] = entry = self._new_state(param, group)
                _place_counts(param, entry, group)
            states.append(entry)
        return states


def count(value: float) -> Tensor:
    """A number that is kept of a parameter: a 0-d tensor."""
    return _C.tensor(value, dtype=_count_dtype())


def _count_dtype() -> _C.dtype:
    return _C.float64 if _C.get_default_dtype() == _C.float64 else _C.float32


# Numbers of a parameter's state that a step counts on.
_COUNTS = ("step", "eta", "mu", "mu_product")


def _place_counts(param: Tensor, entry: dict[str, Any], group: dict[str, Any]) -> None:
    """Keeps the counts of a parameter on its GPU if the step is to be captured, and on the CPU otherwise."""
    if not param.is_cuda:
        return
    capturable = bool(group.get("capturable"))
    for name in _COUNTS:
        value = entry.get(name)
        if isinstance(value, Tensor) and value.is_cuda != capturable:
            place = param.device if capturable else _C.device("cpu")
            entry[name] = _C.full((), value.item(), device=place, dtype=_count_dtype())


def rate_of(group: dict[str, Any]) -> tuple[float, Tensor | None]:
    """The rate as a number, and as the tensor that a captured step reads it from."""
    rate = group["lr"]
    if isinstance(rate, Tensor) and rate.is_cuda and group.get("capturable"):
        return 0.0, rate
    return float(rate), None


def with_gradients(params: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters that have a gradient, and their gradients."""
    grads = [grad for param in params if (grad := param.grad) is not None]
    if len(grads) != len(params):
        params = [param for param in params if param.grad is not None]
    return params, grads


def call_closure(closure: Callable[[], Any] | None) -> Any:
    """The loss that ``closure`` computes, with gradients recorded whatever the mode outside."""
    if closure is None:
        return None
    with enable_grad():
        return closure()
