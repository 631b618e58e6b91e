"""Deep Q-learning with a replay memory and a target network that follows, on a small grid."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

random.seed(0)
torch.manual_seed(0)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
MOVES = [(0, 1), (0, -1), (1, 0), (-1, 0)]


class DQN(nn.Module):
    def __init__(self, n_observations, n_actions):
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(n_observations, 32), nn.Linear(32, 32)
        self.layer3 = nn.Linear(32, n_actions)

    def forward(self, x):
        return self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))


policy_net, target_net = DQN(2, 4), DQN(2, 4)
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
memory, steps_done, place = deque([], maxlen=500), 0, (0, 0)
for step in range(90):
    state = torch.tensor([place], dtype=torch.float32) / 3
    steps_done += 1
    if random.random() > 0.1 + 0.8 * math.exp(-steps_done / 50):
        with torch.no_grad():
            action = policy_net(state).max(1).indices.view(1, 1)
    else:
        action = torch.tensor([[random.randrange(4)]], dtype=torch.long)
    dx, dy = MOVES[action.item()]
    place = (min(max(place[0] + dx, 0), 3), min(max(place[1] + dy, 0), 3))
    done = place == (3, 3)
    next_state = None if done else torch.tensor([place], dtype=torch.float32) / 3
    memory.append(Transition(state, action, next_state, torch.tensor([1.0 if done else -0.05])))
    place = (0, 0) if done else place
    if len(memory) < 16:
        continue
    batch = Transition(*zip(*random.sample(memory, 16)))
    non_final_mask = torch.tensor([s is not None for s in batch.next_state], dtype=torch.bool)
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_action_values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    next_state_values = torch.zeros(16)
    with torch.no_grad():
        next_state_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    expected = next_state_values * 0.9 + torch.cat(batch.reward)
    loss = nn.SmoothL1Loss()(state_action_values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    target_net_state_dict, policy_net_state_dict = target_net.state_dict(), policy_net.state_dict()
    for key in policy_net_state_dict:
        target_net_state_dict[key] = policy_net_state_dict[key] * 0.05 + target_net_state_dict[key] * 0.95
    target_net.load_state_dict(target_net_state_dict)
    if step % 5 == 0:
        print(f"step {step} place {place} loss {loss.item():.6f}")
