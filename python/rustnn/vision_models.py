"""What stands for torchvision.models: networks of the model zoo in examples/models, without trained weights.

The zoo is read from the source tree. Where only the package is installed, a call says where to copy it from.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rustnn.nn import Module

# torchvision's name: the file, what is called there, and with which arguments.
_ZOO: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "mobilenet_v2": ("mobilenet_v2", "MobileNetV2", ()),
    "resnet18": ("resnet", "ResNet", ("BasicBlock", (2, 2, 2, 2))),
    "resnet34": ("resnet", "ResNet", ("BasicBlock", (3, 4, 6, 3))),
    "resnet50": ("resnet", "ResNet", ("Bottleneck", (3, 4, 6, 3))),
    "resnet101": ("resnet", "ResNet", ("Bottleneck", (3, 4, 23, 3))),
    "resnet152": ("resnet", "ResNet", ("Bottleneck", (3, 8, 36, 3))),
    "vgg11": ("vgg", "VGG", (11,)),
    "vgg13": ("vgg", "VGG", (13,)),
    "vgg16": ("vgg", "VGG", (16,)),
    "vgg19": ("vgg", "VGG", (19,)),
}
# torchvision's names of trained weights; there are none here, and whoever asks for them is told so.
_WEIGHTS = {
    f"{name.replace('resnet', 'ResNet').replace('vgg', 'VGG').replace('mobilenet_v', 'MobileNet_V')}_Weights"
    for name in _ZOO
}
__all__ = sorted({*_ZOO, *_WEIGHTS})


def _zoo_file(name: str) -> Any:
    """The module of examples/models with this name. NotImplementedError where there are no examples."""
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "examples" / "models" / f"{name}.py"
    spec = spec_from_file_location(f"rustnn_examples_{name}", path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise NotImplementedError(
            f"copy the model from examples/models/{name}.py of rustnn's source: the package does not have it"
        )
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _builder(name: str) -> Callable[..., Module]:
    file, function, arguments = _ZOO[name]

    def build(weights: Any = None, progress: bool = True, **settings: Any) -> Module:
        if weights is not None or settings.pop("pretrained", False):
            raise NotImplementedError(
                f"torchvision.models.{name}: nothing is downloaded here; load trained weights from a file: "
                "model.load_state_dict(torch.load(file))"
            )
        if "num_classes" in settings:
            settings["classes"] = settings.pop("num_classes")
        zoo = _zoo_file(file)
        values = [getattr(zoo, value) if isinstance(value, str) else value for value in arguments]
        model: Module = getattr(zoo, function)(*values, **settings)
        return model

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"``{function}`` of examples/models/{file}.py, with random weights."
    return build


def __getattr__(name: str) -> Any:
    if name in _ZOO:
        made: Any = _builder(name)
    elif name in _WEIGHTS:
        members = {member: f"{name}.{member}" for member in ("DEFAULT", "IMAGENET1K_V1", "IMAGENET1K_V2")}
        made = type(name, (), {"__doc__": "Trained weights, which do not exist here.", **members})
    else:
        there = ", ".join(sorted(_ZOO))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: there are {there}")
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
