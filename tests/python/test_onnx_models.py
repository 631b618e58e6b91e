"""Export to ONNX of whole models, and of models put together by chance."""

import random as pyrandom
import runpy
from pathlib import Path

import pytest
from onnx_checks import SEQUENCES, check, ints

import rustnn as torch
import rustnn.nn.functional as F
from rustnn import nn

# ---- whole models ----------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.skip = nn.Sequential()
        if stride != 1 or channels != out:
            self.skip = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        out = self.main(x)
        out += self.skip(x)
        return F.relu(out, inplace=True)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.blocks = nn.Sequential(Residual(8, 8, 1), Residual(8, 16, 2), Residual(16, 16, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(self.blocks(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        x = F.dropout(F.relu(self.fc1(x)), training=self.training)
        return F.log_softmax(self.fc2(x), dim=1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU())
        self.down2 = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2))
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.merge = nn.Conv2d(16, 4, 3, padding=1)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.up(F.relu(self.middle(F.avg_pool2d(b, 2))))
        c = self.merge(torch.cat([c, b], dim=1))
        c = F.interpolate(c, size=a.shape[2:], mode="bilinear", align_corners=False)
        return self.out(torch.cat([c, a], 1))


class Classifier(nn.Module):
    def __init__(self, kind, bidirectional):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.rnn = kind(6, 5, 2, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(10 if bidirectional else 5, 3)

    def forward(self, tokens):
        out, _ = self.rnn(self.embedding(tokens))
        return self.head(out[:, -1]), self.head(out.mean(dim=1))


class CausalAttention(nn.Module):
    def __init__(self, width, heads, block):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("bias", torch.tril(torch.ones(block, block)).view(1, 1, block, block))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (z.view(B, T, self.heads, C // self.heads).transpose(1, 2) for z in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
        scores = scores.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        out = F.softmax(scores, dim=-1) @ v
        return self.proj(out.transpose(1, 2).contiguous().view(B, T, C))


class GPT(nn.Module):
    def __init__(self, vocabulary=30, width=16, block=24):
        super().__init__()
        self.block = block
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(block, width)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "ln1": nn.LayerNorm(width),
                    "attention": CausalAttention(width, 2, block),
                    "ln2": nn.LayerNorm(width),
                    "mlp": nn.Sequential(
                        nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width), nn.Dropout(0.1)
                    ),
                }
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, idx):
        T = idx.size(1)
        assert self.block >= T
        x = self.tokens(idx) + self.positions(torch.arange(T, device=idx.device))
        for layer in self.layers:
            x = x + layer["attention"](layer["ln1"](x))
            x = x + layer["mlp"](layer["ln2"](x))
        return self.head(self.norm(x))[:, [-1], :]


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.places = nn.Parameter(torch.randn(1, 17, 16))
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.places
        return self.head(self.encoder(x)[:, 0])


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8))
        self.decoder = nn.Sequential(
            nn.Linear(4, 32),
            nn.ReLU(),
            nn.Unflatten(1, (8, 2, 2)),
            nn.ConvTranspose2d(8, 4, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        std = torch.exp(0.5 * log_variance)
        return self.decoder(mean + std), mean, log_variance


class Separable(nn.Module):
    def __init__(self, channels, expansion):
        super().__init__()
        wide = channels * expansion
        self.conv = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(inplace=True),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(), nn.Conv2d(4, wide, 1), nn.Hardsigmoid()
        )
        self.out = nn.Conv2d(wide, channels, 1)

    def forward(self, x):
        y = self.conv(x)
        return x + self.out(y * self.gate(y))


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 8)
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.head = nn.Linear(8, 12)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(1))
        hidden = self.transformer(self.embedding(source), self.embedding(target), tgt_mask=mask)
        return self.head(hidden)


MLP = nn.Sequential(
    nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 4), nn.Softmax(1)
)
MobileNet = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2, 1),
    nn.Hardswish(),
    Separable(8, 2),
    Separable(8, 3),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 4),
)
PICTURES = ({"N": 2, "H": 16, "W": 16}, {"N": 1, "H": 32, "W": 24}, {"N": 4, "H": 8, "W": 16})
MODELS = {
    "mlp": (MLP, [("N", 8)], SEQUENCES),
    "lenet": (LeNet(), [("N", 1, 28, 28)], SEQUENCES),
    "resnet": (ResNet(), [("N", 3, "H", "W")], ({"N": 1, "H": 32, "W": 32}, {"N": 3, "H": 64, "W": 48})),
    "unet": (UNet(), [("N", 1, "H", "W")], PICTURES),
    "lstm": (Classifier(nn.LSTM, False), [ints(20, "N", "L")], SEQUENCES),
    "bilstm": (Classifier(nn.LSTM, True), [ints(20, "N", "L")], SEQUENCES),
    "gru": (Classifier(nn.GRU, True), [ints(20, "N", "L")], SEQUENCES),
    "rnn": (Classifier(nn.RNN, False), [ints(20, "N", "L")], SEQUENCES),
    "gpt": (GPT(), [ints(30, "N", "L")], SEQUENCES),
    "vit": (VisionTransformer(), [("N", 3, 16, 16)], SEQUENCES),
    "vae": (VAE(), [("N", 1, 8, 8)], SEQUENCES),
    "mobilenet": (MobileNet, [("N", 3, "H", "W")], PICTURES),
    "seq2seq": (
        Seq2Seq(),
        [ints(12, "N", "L"), ints(12, "N", "T")],
        ({"N": 2, "L": 5, "T": 4}, {"N": 3, "L": 7, "T": 9}),
    ),
    "encoder": (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, nn.LayerNorm(8)),
        [("N", "L", 8)],
        SEQUENCES,
    ),
}


@pytest.mark.parametrize("opset", [18, 19, 20, 21, 22, 23, 24])
@pytest.mark.parametrize("name", MODELS)
def test_models(name, opset):
    model, specs, sizes = MODELS[name]
    check(model, *specs, sizes=sizes, opset=opset)


EXAMPLES = [
    ("lenet", "LeNet()", ("N", 1, 28, 28)),
    ("resnet", "resnet18(5, width=4)", ("N", 3, 40, 40)),
    ("resnet", "resnet50(5, width=4)", ("N", 3, 40, 40)),
    ("vgg", "VGG(11, 5, width=2)", ("N", 3, 32, 32)),
    ("mobilenet_v2", "MobileNetV2(5, 0.25)", ("N", 3, 40, 40)),
    ("unet", "UNet(1, 2, width=4, depth=2)", ("N", 1, 16, 16)),
    ("lstm_language_model", "LSTMLanguageModel(11, 8)", ints(11, "N", "L")),
    ("gpt", "GPT(11, 12, 16, 2, 2)", ints(11, "N", "L")),
    ("vit", "ViT(16, 8, 5, 16, 2, 2)", ("N", 3, 16, 16)),
    ("dcgan", "Generator(8, 2)", ("N", 8, 1, 1)),
    ("dcgan", "Discriminator(4)", ("N", 3, 64, 64)),
]


@pytest.mark.parametrize(("file", "build", "spec"), EXAMPLES, ids=[f"{f}-{b}" for f, b, _ in EXAMPLES])
def test_example_models(file, build, spec):
    path = Path(__file__).parents[2] / "examples" / "models" / f"{file}.py"
    model = eval(build, runpy.run_path(str(path)))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    check(model, spec, sizes=SEQUENCES)


# ---- chance ----------------------------------------------------------------------------------------------


def random_model(seed):
    """A chain of layers and functions that keep (N, L, 8), with skips; what it does is written in its list."""
    rng = pyrandom.Random(seed)
    torch.manual_seed(seed)
    steps = []
    for _ in range(rng.randint(3, 9)):
        steps.append(
            rng.choice(
                [
                    nn.Linear(8, 8),
                    nn.LayerNorm(8),
                    nn.GRU(8, 4, batch_first=True, bidirectional=True),
                    nn.LSTM(8, 8, batch_first=True),
                    nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
                    nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)),
                    lambda x: x.transpose(1, 2).flip(1).transpose(1, 2),
                    lambda x: x + x.mean(1, keepdim=True).expand(-1, x.size(1), -1),
                    lambda x: torch.cat([x[:, 1:], x[:, :1]], 1),
                    lambda x: x.reshape(x.size(0) * x.size(1), 8).tanh().view(x.shape),
                    lambda x: x * torch.arange(x.size(1)).unsqueeze(-1) / x.size(1),
                    lambda x: torch.where(x > 0, x, x.exp() - 1),
                    lambda x: x.chunk(2, -1)[1].repeat(1, 1, 2) * 0.5,
                    lambda x: (
                        x.view(x.size(0), -1, 2, 4).permute(0, 1, 3, 2).reshape(x.size(0), x.size(1), 8)
                    ),
                    lambda x: F.pad(x, (0, 0, 1, 0))[:, :-1].clamp(-1, 1),
                    lambda x: x.softmax(1).cumsum(1),
                    lambda x: F.conv1d(x.mT, torch.ones(8, 1, 3) / 3, padding=1, groups=8).mT,
                    lambda x: x.sort(-1)[0].sub_(0.1).relu_(),
                ]
            )
        )

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(s for s in steps if isinstance(s, nn.Module))

        def forward(self, x):
            for i, step in enumerate(steps):
                y = step(x)
                y = y[0] if isinstance(y, tuple) else y
                x = x + y if i % 2 else y
            return x

    return Model()


@pytest.mark.parametrize("seed", range(40))
def test_random_compositions(seed):
    check(random_model(seed), ("N", "L", 8), sizes=SEQUENCES, rtol=1e-3, atol=1e-4)
