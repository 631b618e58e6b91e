"""Sequence to sequence with additive attention and teacher forcing: numbers are read out backwards."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

random.seed(5)
torch.manual_seed(5)
SOS, EOS, PAD = 0, 1, 2


class Encoder(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.embedding = nn.Embedding(size, hidden, padding_idx=PAD)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(self.embedding(x), lengths, batch_first=True, enforce_sorted=False)
        output, hidden = self.gru(packed)
        output, _ = pad_packed_sequence(output, batch_first=True)
        return output, hidden.sum(0, keepdim=True)


class AttnDecoder(nn.Module):
    def __init__(self, size, hidden):
        super().__init__()
        self.embedding = nn.Embedding(size, hidden)
        self.Wa, self.Ua, self.Va = (
            nn.Linear(hidden, hidden),
            nn.Linear(2 * hidden, hidden),
            nn.Linear(hidden, 1),
        )
        self.gru = nn.GRU(3 * hidden, hidden, batch_first=True)
        self.out = nn.Linear(hidden, size)

    def forward(self, token, hidden, keys, mask):
        scores = self.Va(torch.tanh(self.Wa(hidden.permute(1, 0, 2)) + self.Ua(keys))).squeeze(2).unsqueeze(1)
        weights = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        output, hidden = self.gru(torch.cat((self.embedding(token), torch.bmm(weights, keys)), dim=2), hidden)
        return F.log_softmax(self.out(output), dim=-1), hidden


encoder, decoder = Encoder(12, 16), AttnDecoder(12, 16)
optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)
criterion = nn.NLLLoss(ignore_index=PAD)
for step in range(12):
    rows = [torch.tensor([random.randint(3, 11) for _ in range(random.randint(2, 5))]) for _ in range(16)]
    source = pad_sequence(rows, batch_first=True, padding_value=PAD)
    target = pad_sequence([torch.cat([row.flip(0), torch.tensor([EOS])]) for row in rows], True, PAD)
    keys, hidden = encoder(source, torch.tensor([len(row) for row in rows]))
    token, outputs, forced = torch.full((16, 1), SOS), [], random.random() < 0.7
    for i in range(target.size(1)):
        output, hidden = decoder(token, hidden, keys, (source == PAD).unsqueeze(1))
        outputs.append(output)
        token = target[:, i].unsqueeze(1) if forced else output.topk(1)[1].squeeze(-1).detach()
    loss = criterion(torch.cat(outputs, dim=1).transpose(1, 2), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} forced {forced} loss {loss.item():.6f}")
