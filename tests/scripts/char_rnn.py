"""Names are classified, letter by letter, by a recurrent network written by hand; then one writes names."""

import string

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(4)
all_letters = string.ascii_lowercase
names = {
    "river": ["thames", "danube", "volga", "rhine", "loire", "ebro"],
    "month": ["january", "march", "april", "june", "august", "october"],
    "metal": ["iron", "copper", "zinc", "silver", "gold", "nickel"],
}


def lineToTensor(line):
    tensor = torch.zeros(len(line), 1, len(all_letters))
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = F.tanh(self.i2h(input) + self.h2h(hidden))
        return self.softmax(self.h2o(hidden)), hidden


rnn = RNN(len(all_letters), 24, len(names))
pairs = [(name, k) for k, group in enumerate(names.values()) for name in group]
for epoch in range(3):
    total = 0
    for i in torch.randperm(len(pairs)).tolist():
        name, category = pairs[i]
        hidden = torch.zeros(1, rnn.hidden_size)
        rnn.zero_grad()
        for letter in lineToTensor(name):
            output, hidden = rnn(letter, hidden)
        loss = nn.NLLLoss()(output, torch.tensor([category]))
        loss.backward()
        with torch.no_grad():
            for p in rnn.parameters():
                p.add_(p.grad.data, alpha=-0.05)
        total += loss.item()
    print(f"epoch {epoch} loss {total / len(pairs):.6f}")
writer, head = nn.RNN(26, 20, nonlinearity="relu"), nn.Linear(20, 26)
optimizer = torch.optim.Adagrad([*writer.parameters(), *head.parameters()], lr=0.05)
for name, _ in pairs:
    output = head(writer(lineToTensor(name)[:-1])[0])[:, 0]
    loss = F.cross_entropy(output, lineToTensor(name)[1:, 0].argmax(1), label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{name} {loss.item():.6f}")
