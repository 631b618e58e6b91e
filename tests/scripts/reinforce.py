"""REINFORCE on a walk: the agent shall reach the right end of a line."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

torch.manual_seed(543)
eps = 1e-6


class Walk:
    """Places 0 to 6; the walk starts at 3 and ends at either end, the right one pays."""

    def reset(self):
        self.place = 3
        return self.state()

    def state(self):
        return F.one_hot(torch.tensor(self.place), 7).float()

    def step(self, action):
        self.place += 1 if action == 1 else -1
        done = self.place in (0, 6)
        return self.state(), (1.0 if self.place == 6 else -0.1), done


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(7, 16)
        self.dropout = nn.Dropout(p=0.1)
        self.affine2 = nn.Linear(16, 2)
        self.saved_log_probs, self.rewards = [], []

    def forward(self, x):
        return F.softmax(self.affine2(F.relu(self.dropout(self.affine1(x)))), dim=-1)


env, policy = Walk(), Policy()
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
for episode in range(15):
    state, done = env.reset(), False
    while not done:
        m = Categorical(policy(state.unsqueeze(0)))
        action = m.sample()
        policy.saved_log_probs.append(m.log_prob(action))
        state, reward, done = env.step(action.item())
        policy.rewards.append(reward)
    R, returns = 0, []
    for r in policy.rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    loss = torch.cat([-log_prob * R for log_prob, R in zip(policy.saved_log_probs, returns)]).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"episode {episode} steps {len(policy.rewards)} loss {loss.item():.5f}")
    del policy.rewards[:], policy.saved_log_probs[:]
