"""Trees of Python's containers: what is in them as a flat list, and back.

Tuples, lists, dicts, named tuples and deques are nodes, and classes that were registered; the rest is leaves.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    IsLeaf = Callable[[Any], bool] | None
    KeyPath = tuple[Any, ...]

__all__ = [
    "GetAttrKey",
    "LeafSpec",
    "MappingKey",
    "PyTree",
    "SequenceKey",
    "TreeSpec",
    "arg_tree_leaves",
    "key_get",
    "keystr",
    "map_only",
    "register_constant",
    "register_dataclass",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "treespec_dict",
    "treespec_leaf",
    "treespec_pprint",
    "treespec_tuple",
]

# What a tree may be: anything.
PyTree = object


# ---- steps of a path ----


@dataclass(frozen=True)
class SequenceKey:
    """A place in a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What is there."""
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """A key of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What is there."""
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """A name of an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """What is there."""
        return getattr(obj, self.name)


def keystr(kp: KeyPath) -> str:
    """A path as text: ``['a'][0].x``."""
    return "".join(str(key) for key in kp)


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What a path leads to."""
    for key in kp:
        obj = key.get(obj)
    return obj


# ---- kinds of nodes ----


@dataclass(frozen=True)
class NodeDef:
    """How a container comes apart, into children and what else it needs; and the keys of its children."""

    type: Any
    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Iterable[Any], Any], Any]
    keys_fn: Callable[[Any, Any], list[Any]] | None = None


def _numbered(children: Any, context: Any) -> list[Any]:
    return [SequenceKey(i) for i in range(len(children))]


def _plain(make: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    return (lambda node: (list(node), None)), (lambda children, context: make(children)), _numbered


def _mapping(make: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    return (
        lambda node: (list(node.values()), list(node)),
        lambda children, keys: make(zip(keys, children, strict=True)),
        lambda children, keys: [MappingKey(key) for key in keys],
    )


SUPPORTED_NODES: dict[Any, NodeDef] = {}
BUILTIN_TYPES = frozenset({tuple, list, dict, namedtuple, OrderedDict, defaultdict, deque})
_DICTS = (dict, OrderedDict, defaultdict)

for _type, _ways in {
    tuple: _plain(tuple),
    list: _plain(list),
    dict: _mapping(dict),
    OrderedDict: _mapping(OrderedDict),
    namedtuple: (
        lambda node: (list(node), type(node)),
        lambda children, kind: kind(*children),
        lambda children, kind: [GetAttrKey(name) for name in kind._fields],
    ),
    defaultdict: (
        lambda node: (list(node.values()), [node.default_factory, list(node)]),
        lambda children, context: defaultdict(context[0], zip(context[1], children, strict=True)),
        lambda children, context: [MappingKey(key) for key in context[1]],
    ),
    deque: (
        lambda node: (list(node), node.maxlen),
        lambda children, maxlen: deque(children, maxlen=maxlen),
        _numbered,
    ),
}.items():
    SUPPORTED_NODES[_type] = NodeDef(_type, *_ways)


def _register_native_containers() -> None:
    """Sizes, and the named results of operations."""
    from rustnn.size import Size

    SUPPORTED_NODES[Size] = NodeDef(Size, *_plain(tuple))


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Makes a class a node: ``flatten_fn`` gives its children and a context, ``unflatten_fn`` takes both.

    ``flatten_with_keys_fn`` gives the children with their keys. ValueError for a class that is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)
    if flatten_with_keys_fn is not None:
        _WITH_KEYS[cls] = flatten_with_keys_fn


_register_pytree_node = _private_register_pytree_node = register_pytree_node
_WITH_KEYS: dict[Any, Callable[[Any], tuple[list[tuple[Any, Any]], Any]]] = {}


def _deregister_pytree_node(cls: type[Any]) -> None:
    del SUPPORTED_NODES[cls]
    _WITH_KEYS.pop(cls, None)


def register_dataclass(
    cls: type[Any],
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Makes a dataclass a node whose children are its fields. ValueError for fields that it has not."""
    own = [f.name for f in fields(cls) if f.init]
    names = own if field_names is None else field_names
    dropped = drop_field_names or []
    wrong = sorted(set(names) - set(own))
    missing = sorted(set(own) - set(names) - set(dropped))
    if wrong or missing:
        raise ValueError(f"register_dataclass({cls.__name__}): unknown fields {wrong}, missing {missing}")
    names = [name for name in names if name not in dropped]

    def flatten(node: Any) -> tuple[list[Any], Any]:
        given = [name for name in names if getattr(node, name) is not None]
        absent = [name for name in names if getattr(node, name) is None]
        return [getattr(node, name) for name in given], [given, absent]

    def with_keys(node: Any) -> tuple[list[tuple[Any, Any]], Any]:
        children, context = flatten(node)
        return [(GetAttrKey(k), v) for k, v in zip(context[0], children, strict=True)], context

    def unflatten(children: Iterable[Any], context: Any) -> Any:
        return cls(**dict(zip(context[0], children, strict=True)), **dict.fromkeys(context[1]))

    register_pytree_node(cls, flatten, unflatten, flatten_with_keys_fn=with_keys)


def register_constant(cls: type[Any]) -> None:
    """Makes a class a node without children: its objects belong to the structure."""
    register_pytree_node(cls, lambda node: ([], node), lambda children, node: node)


def is_namedtuple(obj: object | type) -> bool:
    """Whether an object, or a class, is a named tuple."""
    cls = obj if isinstance(obj, type) else type(obj)
    return is_namedtuple_class(cls)


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is a named tuple's."""
    names = getattr(cls, "_fields", None)
    return issubclass(cls, tuple) and isinstance(names, tuple) and all(isinstance(n, str) for n in names)


def is_namedtuple_instance(obj: object) -> bool:
    """Whether an object is a named tuple."""
    return is_namedtuple_class(type(obj))


def _get_node_type(tree: Any) -> Any:
    cls = type(tree)
    if cls not in SUPPORTED_NODES and is_namedtuple_class(cls):
        if cls.__module__ != "rustnn.return_types":
            return namedtuple
        SUPPORTED_NODES[cls] = NodeDef(cls, *_plain(cls))
    return cls


def tree_is_leaf(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether a tree is nothing but a leaf."""
    if is_leaf is not None and is_leaf(tree):
        return True
    return _get_node_type(tree) not in SUPPORTED_NODES


_is_leaf = tree_is_leaf


# ---- structures ----


class TreeSpec:
    """A tree without its leaves: the root's ``type`` and ``context``, and the structures of its children."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type = type
        self._context = context
        self._children = children_specs
        self.num_children = len(children_specs)
        self.num_leaves: int = sum(child.num_leaves for child in children_specs)
        self.num_nodes: int = 1 + sum(child.num_nodes for child in children_specs)

    @property
    def context(self) -> Any:
        """What the root needs besides its children: keys, a class, ..."""
        return self._context

    @property
    def children_specs(self) -> list[TreeSpec]:
        """The structures of the children."""
        return self._children

    def children(self) -> list[TreeSpec]:
        """The structures of the children."""
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        """The structure of a child."""
        return self._children[index]

    def is_leaf(self) -> bool:
        """Whether it is the structure of a leaf."""
        return self.num_nodes == 1 and self.num_leaves == 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (self.type, self._context, self._children) == (other.type, other._context, other._children)

    def __hash__(self) -> int:
        context = self._context if self.type not in _DICTS else tuple(map(str, self._context))
        return hash((self.type, str(context), tuple(self._children)))

    def __repr__(self, indent: int = 0) -> str:
        if self.is_leaf():
            return "*"
        inner = (",\n" + " " * (indent + 2)).join(child.__repr__(indent + 2) for child in self._children)
        return f"TreeSpec({self.type.__name__}, {self._context}, [{inner}])"

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """What of a tree stands where this structure has leaves. ValueError where it has other nodes."""
        found: list[Any] = []
        self._flatten_up_to(tree, found)
        return found

    def _flatten_up_to(self, tree: Any, found: list[Any]) -> None:
        if self.is_leaf():
            found.append(tree)
            return
        kind = _get_node_type(tree)
        both_dicts = self.type in _DICTS and kind in _DICTS
        if kind is not self.type and not both_dicts:
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {kind!r}.")
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        children = list(children)
        if self.type not in _DICTS:
            if len(children) != self.num_children:
                raise ValueError(
                    f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
                )
            if context != self._context:
                raise ValueError(
                    f"Node context mismatch for node type {self.type!r}; expected {self._context!r}, but got "
                    f"{context!r}."
                )
        else:
            keys = self._context[1] if self.type is defaultdict else self._context
            missing, extra = set(keys) - set(tree), set(tree) - set(keys)
            if missing or extra:
                parts = [f"missing key(s): {missing}"] * bool(missing) + [f"extra key(s): {extra}"] * bool(
                    extra
                )
                raise ValueError(f"Node keys mismatch; {'; '.join(parts)}.")
            children = [tree[key] for key in keys]
        for child, spec in zip(children, self._children, strict=True):
            spec._flatten_up_to(child, found)

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree with these leaves. ValueError for another number of them."""
        given = list(leaves)
        if len(given) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(given)} but the spec refers to a "
                "pytree "
                f"that holds {self.num_leaves} items ({self})."
            )
        return self._made_of(iter(given))

    def _made_of(self, rest: Iterator[Any]) -> Any:
        if self.is_leaf():
            return next(rest)
        children = [child._made_of(rest) for child in self._children]
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self._context)


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, [])
        self.num_leaves = 1


_LEAF_SPEC = LeafSpec()


def treespec_leaf() -> TreeSpec:
    """The structure of a leaf."""
    return _LEAF_SPEC


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The structure of a tuple."""
    return TreeSpec(tuple, None, list(iterable))


def treespec_dict(
    mapping: Mapping[Any, TreeSpec] | Iterable[tuple[Any, TreeSpec]] = (), /, **kwargs: TreeSpec
) -> TreeSpec:
    """The structure of a dict."""
    children = dict(mapping, **kwargs)
    return TreeSpec(dict, list(children), list(children.values()))


def treespec_pprint(treespec: TreeSpec) -> str:
    """A structure as a tree with stars for leaves."""

    class Star:
        def __repr__(self) -> str:
            return "*"

    return repr(tree_unflatten([Star()] * treespec.num_leaves, treespec))


# ---- apart and together ----


def _flatten(tree: Any, found: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    if tree_is_leaf(tree, is_leaf):
        found.append(tree)
        return _LEAF_SPEC
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flatten(child, found, is_leaf) for child in children])


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree in order, and its structure. ``is_leaf`` says which nodes are leaves too."""
    found: list[Any] = []
    spec = _flatten(tree, found, is_leaf)
    return found, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves. ValueError for another number of them."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves of a tree, one by one."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)[0]:
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of a tree."""
    return list(tree_iter(tree, is_leaf))


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list[Any]:
    """The leaves of all arguments."""
    return [*tree_iter(args), *tree_iter(kwargs)]


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree with ``func`` of each leaf, and of what stands in its place in the other trees."""
    leaves, spec = tree_flatten(tree, is_leaf)
    beside = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(map(func, leaves, *beside))


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """Calls ``func`` for each leaf, and returns the tree itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    beside = [spec.flatten_up_to(rest) for rest in rests]
    deque(map(func, leaves, *beside), maxlen=0)
    return tree


def map_only(kinds: Any, /) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Makes a function leave alone all but objects of some classes, or what a predicate takes."""
    if isinstance(kinds, type) or not callable(kinds):
        classes = kinds

        def applies(x: Any) -> bool:
            return isinstance(x, classes)
    else:
        applies = kinds

    def wrapper(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: func(x) if applies(x) else x

    return wrapper


def tree_map_only(kinds: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """As ``tree_map``, for leaves of some classes, or those that a predicate takes."""
    return tree_map(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_map_only_(kinds: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """As ``tree_map_``, for leaves of some classes, or those that a predicate takes."""
    return tree_map_(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds of all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds of a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(kinds: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds of all leaves of some classes."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kinds))


def tree_any_only(kinds: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether ``pred`` holds of a leaf of some classes."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kinds))


# ---- with paths ----


def _paths(path: KeyPath, tree: Any, is_leaf: IsLeaf) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    kind = _get_node_type(tree)
    node = SUPPORTED_NODES[kind]
    if kind in _WITH_KEYS:
        keyed = _WITH_KEYS[kind](tree)[0]
    elif node.keys_fn is not None:
        children, context = node.flatten_fn(tree)
        keyed = list(zip(node.keys_fn(children, context), children, strict=True))
    else:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {kind}. Please pass a flatten_with_keys_fn "
            "argument "
            "to register_pytree_node."
        )
    for key, child in keyed:
        yield from _paths((*path, key), child, is_leaf)


def tree_flatten_with_path(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """Pairs of paths and leaves, and the structure. ValueError for nodes that tell no keys."""
    return list(_paths((), tree, is_leaf)), tree_structure(tree, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[KeyPath, Any]]:
    """Pairs of paths and leaves."""
    return list(_paths((), tree, is_leaf))


def tree_map_with_path(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """As ``tree_map``; ``func`` takes the path first."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    beside = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(func(*given) for given in zip(*zip(*found, strict=True), *beside, strict=True))


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: IsLeaf = None) -> list[Any] | None:
    """The leaves of a tree, each as often as the structure has leaves there; None if they do not fit."""
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    if treespec.is_leaf():
        return None
    kind = _get_node_type(tree)
    if kind is not treespec.type:
        return None
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    found: list[Any] = []
    for child, spec in zip(children, treespec.children_specs, strict=True):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        found += part
    return found


_register_native_containers()
