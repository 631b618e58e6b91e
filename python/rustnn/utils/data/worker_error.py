"""What a worker's exception becomes on its way to the loader: its class, its traceback as text, its notes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["ExceptionWrapper", "note_sample"]


class SampleNote(str):
    """A note on an exception that says which sample was at fault."""

    __slots__ = ()


def note_sample(error: BaseException, text: str) -> None:
    """Say on the exception which sample was at fault; once, even if it is raised again and again."""
    note = SampleNote(text)
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


class KeyErrorMessage(str):
    """A text that a KeyError shows as it is, lines and all."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _sendable(kind: type[BaseException]) -> type[BaseException]:
    """The class, or the nearest base of it that another process can look up by name."""
    import pickle

    for base in kind.__mro__:
        try:
            pickle.dumps(base)
        except Exception:
            continue
        if issubclass(base, Exception) and base is not Exception:
            return base
    return RuntimeError


class ExceptionWrapper:
    """An exception that was caught in a worker, to be raised again in the loader's process.

    ``where`` is PyTorch's: "in DataLoader worker process 0".
    """

    def __init__(self, error: BaseException, where: str) -> None:
        import traceback

        notes = getattr(error, "__notes__", [])
        self.notes = [str(note) for note in notes if isinstance(note, SampleNote)]
        if self.notes:
            error.__notes__ = [note for note in notes if not isinstance(note, SampleNote)]
        self.where = where
        self.exc_type = _sendable(type(error))
        self.name = type(error).__name__
        self.exc_msg = "".join(traceback.format_exception(error))

    def reraise(self) -> NoReturn:
        """Raise ``exception``."""
        raise self.exception()

    def exception(self) -> BaseException:
        """An exception of the same class whose text is the worker's traceback.

        RuntimeError where the class cannot be made of a text.
        """
        message: str = f"Caught {self.name} {self.where}.\nOriginal {self.exc_msg}"
        kind: Any = self.exc_type
        error: BaseException
        try:
            if kind is KeyError:
                error = KeyError(KeyErrorMessage(message))
            elif getattr(kind, "message", None):
                error = kind(message=message)
            else:
                error = kind(message)
        except Exception:
            error = RuntimeError(message)
        for note in self.notes:
            error.add_note(note)
        return error
