"""A language model of LSTMs: Zaremba, Sutskever, Vinyals, Recurrent Neural Network Regularization, 2014."""

from __future__ import annotations

from rustnn import Tensor, nn


class LSTMLanguageModel(nn.Module):
    """Tokens (N, L) to scores of the next token (N, L, vocabulary), and the state to go on with."""

    def __init__(self, vocabulary: int, width: int = 200, layers: int = 2, dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(width, vocabulary)
        self.head.weight = self.embedding.weight  # one table for both (Press, Wolf, 2016)

    def forward(
        self, tokens: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        x = self.dropout(self.embedding(tokens))
        x, state = self.lstm(x, state)
        assert state is not None
        return self.head(self.dropout(x)), state
