"""Proximal policy optimization with continuous actions: a point is steered to a goal."""

import torch
import torch.nn as nn
from torch.distributions.normal import Normal

torch.manual_seed(1)
torch.backends.cudnn.deterministic = True


def layer_init(layer, std=2**0.5, bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.critic = nn.Sequential(
            layer_init(nn.Linear(4, 32)), nn.Tanh(), layer_init(nn.Linear(32, 1), std=1.0)
        )
        self.actor_mean = nn.Sequential(
            layer_init(nn.Linear(4, 32)), nn.Tanh(), layer_init(nn.Linear(32, 2), 0.01)
        )
        self.actor_logstd = nn.Parameter(torch.zeros(1, 2))

    def get_action_and_value(self, x, action=None):
        mean = self.actor_mean(x)
        probs = Normal(mean, torch.exp(self.actor_logstd.expand_as(mean)))
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x).flatten()


agent = Agent()
optimizer = torch.optim.Adam(agent.parameters(), lr=2.5e-3, eps=1e-5)
N, T, gamma, lam, clip = 8, 12, 0.95, 0.9, 0.2
for update in range(3):
    optimizer.param_groups[0]["lr"] = (1.0 - update / 3) * 2.5e-3
    x, goal = torch.randn(N, 2), torch.randn(N, 2)
    obs, acts, logps, rews, vals = [], [], [], [], []
    for _ in range(T):
        o = torch.cat([x, goal], dim=1)
        with torch.no_grad():
            a, logp, _, v = agent.get_action_and_value(o)
        x = x + 0.2 * a.clamp(-1, 1)
        for store, item in zip((obs, acts, logps, rews, vals), (o, a, logp, -(x - goal).norm(dim=1), v)):
            store.append(item)
    with torch.no_grad():
        nextvalue, advantages, lastgaelam = agent.critic(torch.cat([x, goal], 1)).flatten(), [], 0
        for t in reversed(range(T)):
            delta = rews[t] + gamma * (vals[t + 1] if t + 1 < T else nextvalue) - vals[t]
            lastgaelam = delta + gamma * lam * lastgaelam
            advantages.insert(0, lastgaelam)
    b_obs, b_act, b_logp, b_val, b_adv = (torch.cat(item) for item in (obs, acts, logps, vals, advantages))
    b_ret = b_adv + b_val
    for _ in range(2):
        for mb in torch.randperm(N * T).chunk(3):
            _, newlogp, entropy, newvalue = agent.get_action_and_value(b_obs[mb], b_act[mb])
            ratio = (newlogp - b_logp[mb]).exp()
            adv = (b_adv[mb] - b_adv[mb].mean()) / (b_adv[mb].std() + 1e-8)
            pg_loss = torch.max(-adv * ratio, -adv * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()
            loss = pg_loss - 0.01 * entropy.mean() + 0.5 * 0.5 * ((newvalue - b_ret[mb]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
            print(f"update {update} loss {loss.item():.5f} pg {pg_loss.item():.5f}")
