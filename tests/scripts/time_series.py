"""Sine waves continued by LSTM cells that LBFGS trains, in double precision."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim

np.random.seed(2)
torch.manual_seed(2)
period, length, waves = 8, 24, 6
x = np.arange(length) + np.random.randint(-4 * period, 4 * period, waves).reshape(waves, 1)
data = np.sin(x / 1.0 / period).astype("float64")


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 12)
        self.lstm2 = nn.LSTMCell(12, 12)
        self.linear = nn.Linear(12, 1)

    def forward(self, input, future=0):
        outputs = []
        h_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        c_t = torch.zeros(input.size(0), 12, dtype=torch.double)
        h_t2, c_t2 = h_t.clone(), c_t.clone()
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


inputs, target = torch.from_numpy(data[1:, :-1]), torch.from_numpy(data[1:, 1:])
seq = Sequence()
seq.double()
criterion = nn.MSELoss()
optimizer = optim.LBFGS(seq.parameters(), lr=0.8, max_iter=5)
for step in range(3):

    def closure():
        optimizer.zero_grad()
        loss = criterion(seq(inputs), target)
        print("loss:", f"{loss.item():.6f}")
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        pred = seq(torch.from_numpy(data[:1, :-1]), future=8)
        print("test loss:", f"{criterion(pred[:, :-8], torch.from_numpy(data[:1, 1:])).item():.6f}")
        print("future mean:", f"{pred[:, -8:].numpy().mean():.5f}")
