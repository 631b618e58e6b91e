"""How tensors go to other processes: their memory becomes a file without a name that both map.

The tensor that is sent is moved there, so that sender and receiver see the same numbers from then on; views
of the old memory that were made before stay with it. A file is closed when no tensor of the process lies in
it. The sender must live until the receiver has the tensor.
"""

from __future__ import annotations

import mmap
import os
from multiprocessing import reduction
from weakref import finalize

from rustnn import _C
from rustnn.autograd import no_grad
from rustnn.copying import rebuild_tensor
from rustnn.nn.parameter import Parameter
from rustnn.utils.data.shared_memory import anonymous_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rustnn._C import Tensor

__all__ = ["init_reductions", "rebuild_shared", "reduce_tensor"]

# The files of this process, by the address where they are mapped.
_files: dict[int, int] = {}


def _map(fd: int, nbytes: int) -> Tensor:
    """The bytes of a file, which is closed with the last tensor over them."""
    import numpy

    array = numpy.frombuffer(mmap.mmap(fd, nbytes), numpy.uint8)
    address = array.ctypes.data
    _files[address] = fd
    finalize(array, _forget, address, os.getpid())
    return _C.from_numpy(array)


def _forget(address: int, process: int) -> None:
    fd = _files.pop(address, None)
    if fd is not None and process == os.getpid():
        os.close(fd)


def _shared_file(tensor: Tensor) -> int:
    """The file that the tensor's memory is; the tensor is moved into one if need be."""
    storage = tensor.untyped_storage()
    address = storage.data_ptr()
    if address not in _files:
        whole = _map(anonymous_file(storage.nbytes()), storage.nbytes())
        whole.copy_(_C._tensor_over(storage, _C.uint8, 0, (storage.nbytes(),), (1,)))
        with no_grad():
            place = tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
            tensor.set_(whole.untyped_storage(), *place)
        address = whole.data_ptr()
    return _files[address]


def reduce_tensor(tensor: Tensor) -> Any:
    """What pickle writes for another process. RuntimeError for a tensor in a graph."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not "
            "support crossing process boundaries.  If you just want to transfer the data, call detach() on "
            "the tensor before serializing (e.g., putting it on the queue)."
        )
    nbytes = tensor.untyped_storage().nbytes()
    if nbytes == 0:
        return tensor.__reduce_ex__(2)
    file = reduction.DupFd(_shared_file(tensor))
    layout = tensor.dtype, tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
    return rebuild_shared, (type(tensor), file, nbytes, layout, tensor.requires_grad, dict(tensor.__dict__))


def rebuild_shared(
    kind: type[Any], file: Any, nbytes: int, layout: tuple[Any, ...], requires_grad: bool, attributes: Any
) -> Any:
    """The tensor in the process that receives it."""
    storage = _map(file.detach(), nbytes).untyped_storage()
    dtype, offset, shape, stride = layout
    return rebuild_tensor(kind, storage, dtype, offset, shape, stride, requires_grad, attributes)


def init_reductions() -> None:
    """Makes the standard module's pickler send tensors in this way, where files can be passed on."""
    if hasattr(reduction, "DupFd"):
        reduction.register(_C.Tensor, reduce_tensor)
        reduction.register(Parameter, reduce_tensor)
