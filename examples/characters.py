"""A text as data for models that guess the next character."""

from __future__ import annotations

from pathlib import Path

import rustnn as torch
from rustnn.datasets import python_topics, shakespeare
from rustnn.utils.data import Dataset


def read_text(name: str) -> str:
    """``python``: Python's own help on its language; ``shakespeare``: all his works; or a file's name."""
    if name == "python":
        return python_topics()
    if name == "shakespeare":
        return shakespeare()
    return Path(name).read_text(encoding="utf-8")


class Alphabet:
    """The characters of a text, and their numbers."""

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(text))
        self.numbers = {character: number for number, character in enumerate(self.characters)}

    def encode(self, text: str) -> torch.Tensor:
        return torch.tensor([self.numbers[character] for character in text])

    def decode(self, numbers: torch.Tensor) -> str:
        return "".join(self.characters[number] for number in numbers.tolist())

    def __len__(self) -> int:
        return len(self.characters)


class Windows(Dataset):
    """Pieces of ``length`` characters, each with the piece one character further: what is to be guessed."""

    def __init__(self, numbers: torch.Tensor, length: int) -> None:
        self.numbers = numbers
        self.length = length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        piece = self.numbers[index * self.length : (index + 1) * self.length + 1]
        return piece[:-1], piece[1:]

    def __len__(self) -> int:
        return (len(self.numbers) - 1) // self.length
