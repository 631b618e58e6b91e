"""Translation with nn.Transformer: a made-up language, masks, padding, label smoothing and greedy decoding."""

import math

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

torch.manual_seed(0)
UNK, PAD, BOS, EOS = range(4)
SIZE, EMB = 14, 32


class PositionalEncoding(nn.Module):
    def __init__(self, emb_size: int, dropout: float, maxlen: int = 50):
        super().__init__()
        den = torch.exp(-torch.arange(0, emb_size, 2) * math.log(10000) / emb_size)
        pos = torch.arange(0, maxlen).reshape(maxlen, 1)
        pos_embedding = torch.zeros((maxlen, emb_size))
        pos_embedding[:, 0::2], pos_embedding[:, 1::2] = torch.sin(pos * den), torch.cos(pos * den)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pos_embedding", pos_embedding.unsqueeze(-2))

    def forward(self, token_embedding: Tensor):
        return self.dropout(token_embedding + self.pos_embedding[: token_embedding.size(0), :])


class Seq2SeqTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = nn.Transformer(EMB, 4, 2, 2, dim_feedforward=48, dropout=0.1)
        self.generator = nn.Linear(EMB, SIZE)
        self.src_tok_emb, self.tgt_tok_emb = nn.Embedding(SIZE, EMB), nn.Embedding(SIZE, EMB)
        self.positional_encoding = PositionalEncoding(EMB, 0.1)

    def forward(self, src: Tensor, trg: Tensor):
        masks = nn.Transformer.generate_square_subsequent_mask(trg.size(0)).isinf()
        src_pad, trg_pad = (src == PAD).transpose(0, 1), (trg == PAD).transpose(0, 1)
        src_emb = self.positional_encoding(self.src_tok_emb(src) * math.sqrt(EMB))
        tgt_emb = self.positional_encoding(self.tgt_tok_emb(trg) * math.sqrt(EMB))
        outs = self.transformer(src_emb, tgt_emb, None, masks, None, src_pad, trg_pad, src_pad)
        return self.generator(outs)


def collate_fn(batch):
    sides = [[torch.cat((torch.tensor([BOS]), s, torch.tensor([EOS]))) for s in side] for side in zip(*batch)]
    return tuple(pad_sequence(side, padding_value=PAD) for side in sides)


sentences = [torch.randint(4, SIZE, (int(n),)) for n in torch.randint(2, 6, (64,))]
pairs = [(s, (s.flip(0) - 4 + 3) % (SIZE - 4) + 4) for s in sentences]
model = Seq2SeqTransformer()
for p in model.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
loss_fn = torch.nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=0.05)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, betas=(0.9, 0.98), eps=1e-9)
for epoch in range(3):
    model.train()
    for src, tgt in DataLoader(pairs, batch_size=16, collate_fn=collate_fn, shuffle=True):
        logits = model(src, tgt[:-1, :])
        optimizer.zero_grad()
        loss = loss_fn(logits.reshape(-1, logits.shape[-1]), tgt[1:, :].reshape(-1))
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.6f}")
model.eval()
with torch.no_grad():
    ys, src = torch.ones(1, 1).fill_(BOS).type(torch.long), collate_fn(pairs[:1])[0]
    for _ in range(4):
        prob = model(src, ys)[-1].softmax(-1)
        ys = torch.cat([ys, prob.argmax(dim=1)[:1, None]], dim=0)
        print(f"best {prob.max().item():.5f}")
