"""A language model of words: embedding, LSTM, tied decoder, truncated backpropagation, clipping."""

import math

import torch
import torch.nn as nn

torch.manual_seed(1111)
text = "the cat sat on the mat . the dog sat on the log . a cat and a dog ran to the mat . ".split() * 8
vocabulary = {word: i for i, word in enumerate(sorted(set(text)))}
data = torch.tensor([vocabulary[word] for word in text])


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super().__init__()
        self.ntoken, self.nhid, self.nlayers = ntoken, nhid, nlayers
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return tuple(weight.new_zeros(self.nlayers, bsz, self.nhid) for _ in range(2))


source, bptt, lr = batchify(data, 4), 8, 5.0
model, criterion = RNNModel(len(vocabulary), 16, 16, 2), nn.NLLLoss()
for epoch in range(3):
    model.train()
    hidden, total = model.init_hidden(4), 0.0
    for i in range(0, source.size(0) - 1, bptt):
        length = min(bptt, len(source) - 1 - i)
        inputs, targets = source[i : i + length], source[i + 1 : i + 1 + length].view(-1)
        model.zero_grad()
        hidden = tuple(h.detach() for h in hidden)
        output, hidden = model(inputs, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        total += loss.item()
        print(f"loss {loss.item():.6f} ppl {math.exp(loss.item()):.5f}")
    lr /= 2.0
