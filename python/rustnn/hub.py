"""Models by name from a folder with a ``hubconf.py``. Nothing is fetched from the network."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

_hub_dir: str | None = None


def get_dir() -> str:
    """The folder for files of models: as set, else ``$TORCH_HOME/hub``, by default ``~/.cache/torch/hub``."""
    if _hub_dir is not None:
        return _hub_dir
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", cache)), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Use another folder for files of models."""
    global _hub_dir
    _hub_dir = os.path.expanduser(os.fspath(d))


def _no_network(what: str, instead: str) -> NoReturn:
    raise RuntimeError(f"hub.{what}: rustnn fetches nothing from the network; {instead}")


def _repository(repository: str, source: str, what: str) -> ModuleType:
    """The ``hubconf`` of a folder. RuntimeError for modules that it needs and that are not there."""
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        _no_network(what, f"clone {repository} and give the folder, with source='local'")
    import sys
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    folder = os.path.abspath(os.fspath(repository))
    sys.path.insert(0, folder)
    try:
        spec = spec_from_file_location("hubconf.py", os.path.join(folder, "hubconf.py"))
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        missing = [name for name in getattr(module, "dependencies", None) or [] if find_spec(name) is None]
        if missing:
            raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    finally:
        sys.path.remove(folder)
    return module


def _entry(module: ModuleType, name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """What the function `model` of a folder's ``hubconf.py`` returns for the arguments.

    Only ``source='local'``: RuntimeError for GitHub. ValueError for another source, RuntimeError for a name
    that is no function there.
    """
    return _entry(_repository(repo_or_dir, source, "load()"), model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
    verbose: bool = True,
) -> Any:
    """The functions of a ``hubconf.py``: of a folder, if there is one of that name, else RuntimeError."""
    module = _repository(github, "local" if os.path.isdir(github) else "github", "list()")
    return [name for name in dir(module) if callable(getattr(module, name)) and not name.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = None,
) -> Any:
    """The documentation of a function of a ``hubconf.py``, as `list` finds it."""
    module = _repository(github, "local" if os.path.isdir(github) else "github", "help()")
    return _entry(module, model).__doc__


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """RuntimeError: nothing is fetched."""
    _no_network("download_url_to_file()", f"fetch {url} yourself, to {dst}")


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """``torch.load`` of the file of that name in `model_dir`, by default ``checkpoints`` in the hub's.

    RuntimeError if it is not there, with the place where it is expected.
    """
    from urllib.parse import urlparse

    from rustnn.serialization import load as load_file

    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        _no_network("load_state_dict_from_url()", f"fetch {url} yourself, to {path}")
    return load_file(path, map_location=map_location, weights_only=weights_only)
