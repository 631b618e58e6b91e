"""Neural style: a picture is changed until features and their Gram matrices are those of two others."""

import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(3)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


def get_style_model_and_losses(cnn, style_img, content_img):
    content_losses, style_losses, model = [], [], nn.Sequential()
    for i, layer in enumerate(copy.deepcopy(cnn).children()):
        model.add_module(f"{type(layer).__name__.lower()}_{i}", layer)
        if isinstance(layer, nn.Conv2d):
            model.add_module(f"style_loss_{i}", StyleLoss(model(style_img)))
            style_losses.append(model[-1])
        if i == 2:
            model.add_module("content_loss", ContentLoss(model(content_img)))
            content_losses.append(model[-1])
    return model, style_losses, content_losses


cnn = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 8, 3, padding=1),
    nn.ReLU(),
    nn.AvgPool2d(2),
    nn.Conv2d(8, 16, 3),
).eval()
style_img = torch.rand(1, 3, 1, 16).expand(1, 3, 16, 16).contiguous()
content_img = F.interpolate(torch.rand(1, 3, 4, 4), scale_factor=4, mode="bilinear", align_corners=False)
input_img = content_img.clone().requires_grad_(True)
model, style_losses, content_losses = get_style_model_and_losses(cnn, style_img, content_img)
model.requires_grad_(False)
optimizer = optim.LBFGS([input_img], max_iter=5)
run = [0]
while run[0] < 16:

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        model(input_img)
        style, content = (sum(layer.loss for layer in losses) for losses in (style_losses, content_losses))
        loss = 1e4 * style + content
        loss.backward()
        run[0] += 1
        print(f"run {run[0]} style {1e4 * style.item():.5f} content {content.item():.5f}")
        return loss

    optimizer.step(closure)
