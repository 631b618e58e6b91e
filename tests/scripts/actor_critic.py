"""An actor and a critic with one body, on a point that is to be kept near zero."""

from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

torch.manual_seed(1)
SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions, self.rewards = [], []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def step(state, action):
    position, speed = state.tolist()
    speed += 0.1 if action else -0.1
    position += 0.2 * speed
    return torch.tensor([position, speed]), 1.0 - min(abs(position), 1.0), abs(position) > 1


model = Policy()
optimizer = optim.Adam(model.parameters(), lr=3e-2)
for i_episode in range(8):
    state = torch.empty(2).uniform_(-0.5, 0.5)
    for _ in range(25):
        probs, state_value = model(state)
        m = Categorical(probs)
        action = m.sample()
        model.saved_actions.append(SavedAction(m.log_prob(action), state_value))
        state, reward, done = step(state, action.item())
        model.rewards.append(reward)
        if done:
            break
    R, returns = 0, []
    for r in model.rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    policy_losses, value_losses = [], []
    for (log_prob, value), R in zip(model.saved_actions, returns):
        policy_losses.append(-log_prob * (R - value.item()))
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    print(f"episode {i_episode} steps {len(model.rewards)} loss {loss.item():.5f}")
    model.rewards, model.saved_actions = [], []
