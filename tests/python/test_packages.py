"""Packages built on top of PyTorch and beside it take our tensors: each in a process where `import torch` is rustnn."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run(folder: Path, text: str, *needed: str) -> None:
    """Runs a script that was written for PyTorch; skips where one of the packages is not installed."""
    for name in needed:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    (folder / "script.py").write_text(textwrap.dedent(text))
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "rustnn", "script.py"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_einops(tmp_path: Path) -> None:
    text = """
        import torch
        from einops import asnumpy, einsum, pack, parse_shape, rearrange, reduce, repeat, unpack
        from einops.layers.torch import EinMix, Rearrange, Reduce
        from torch import nn

        x = torch.arange(120.0).reshape(2, 3, 4, 5).requires_grad_()
        assert torch.equal(rearrange(x, "b c h w -> b (h w) c"), x.flatten(2).transpose(1, 2))
        assert torch.equal(rearrange([x, x], "n b c h w -> b n c h w"), torch.stack([x, x], 1))
        assert rearrange(x, "b c (h two) w -> b (c two) h w", two=2).shape == (2, 6, 2, 5)
        for name, ours in [("mean", x.mean((2, 3))), ("sum", x.sum((2, 3))), ("max", x.amax((2, 3)))]:
            assert torch.allclose(reduce(x, "b c h w -> b c", name), ours), name
        assert torch.equal(repeat(x, "b c h w -> b c (h 2) w"), x.repeat_interleave(2, 2))
        w = torch.randn(3, 7)
        assert torch.allclose(einsum(x, w, "b c h w, c d -> b d h w"), torch.einsum("bchw,cd->bdhw", x, w))
        packed, shapes = pack([torch.ones(2, 3), torch.zeros(2, 4, 3)], "b * c")
        assert packed.shape == (2, 5, 3) and [tuple(t.shape) for t in unpack(packed, shapes, "b * c")] == [(2, 3), (2, 4, 3)]
        assert parse_shape(x, "b c _ w") == {"b": 2, "c": 3, "w": 5}
        assert asnumpy(x.detach()).shape == (2, 3, 4, 5)
        net = nn.Sequential(nn.Conv2d(3, 4, 1), Reduce("b c (h 2) w -> b c h w", "max"), Rearrange("b c h w -> b (c h w)"),
                            nn.Linear(40, 2))
        net(x).sum().backward()
        assert x.grad.shape == x.shape and net[0].weight.grad is not None
        mixed = EinMix("b c h w -> b h w d", weight_shape="c d", bias_shape="d", c=3, d=6)
        assert mixed(x).shape == (2, 4, 5, 6) and len(list(mixed.parameters())) == 2
        print(net)
    """
    run(tmp_path, text, "einops")


def test_metrics_of_users_own(tmp_path: Path) -> None:
    """In the style of torchmetrics: a module with states that `to` and `state_dict` know, and that are pickled."""
    text = """
        import copy, pickle
        import torch
        from torch import Tensor, nn

        class Metric(nn.Module):
            def __init__(self):
                super().__init__()
                self._defaults = {}

            def add_state(self, name, default, persistent=True):
                self.register_buffer(name, default.clone(), persistent=persistent)
                self._defaults[name] = default

            def reset(self):
                for name, default in self._defaults.items():
                    setattr(self, name, default.clone().to(getattr(self, name).device))

            @torch.no_grad()
            def forward(self, *args, **kwargs):
                self.update(*args, **kwargs)
                kept = {name: getattr(self, name) for name in self._defaults}
                self.reset()
                self.update(*args, **kwargs)
                value = self.compute()
                for name, state in kept.items():
                    setattr(self, name, state)
                return value

        class Accuracy(Metric):
            def __init__(self):
                super().__init__()
                self.add_state("correct", torch.tensor(0))
                self.add_state("total", torch.tensor(0))

            def update(self, preds: Tensor, target: Tensor) -> None:
                self.correct += torch.sum(preds.argmax(-1) == target)
                self.total += target.numel()

            def compute(self) -> Tensor:
                return self.correct.float() / self.total

        metric = Accuracy()
        scores = torch.eye(4)
        assert metric(scores, torch.arange(4)) == 1
        assert metric(scores, torch.zeros(4, dtype=torch.long)) == 0.25
        assert metric.compute().item() == 0.625
        assert metric.state_dict() == {"correct": torch.tensor(5), "total": torch.tensor(8)}
        for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
            assert again.compute() == metric.compute()
        metric.reset()
        assert metric.total == 0 and torch.isnan(metric.compute())
    """
    run(tmp_path, text)


def test_torchmetrics(tmp_path: Path) -> None:
    text = """
        import pickle
        import torch
        import torchmetrics
        from torchmetrics import MeanMetric, MeanSquaredError, Metric, MetricCollection, PearsonCorrCoef, R2Score
        from torchmetrics.classification import (BinaryAUROC, MulticlassAccuracy, MulticlassConfusionMatrix,
                                                 MulticlassF1Score)
        from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

        scores = torch.tensor([[2.0, 1, 0], [0, 2, 1], [0, 1, 2], [3, 2, 1]])
        target = torch.tensor([0, 1, 1, 0])
        both = MetricCollection({"accuracy": MulticlassAccuracy(3, average="micro"), "f1": MulticlassF1Score(3, average="micro")})
        both.update(scores[:2], target[:2])
        both.update(scores[2:], target[2:])
        assert {k: v.item() for k, v in both.compute().items()} == {"accuracy": 0.75, "f1": 0.75}
        assert MulticlassConfusionMatrix(3)(scores, target).tolist() == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
        assert BinaryAUROC()(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1])) == 0.75
        a, b = torch.tensor([3.0, -0.5, 2, 7]), torch.tensor([2.5, 0.0, 2, 8])
        assert MeanSquaredError()(b, a) == 0.375 and torch.isclose(R2Score()(b, a), torch.tensor(0.9486), atol=1e-4)
        assert torch.isclose(PearsonCorrCoef()(b, a), torch.corrcoef(torch.stack([a, b]))[0, 1])
        image = torch.rand(2, 3, 16, 16)
        assert StructuralSimilarityIndexMeasure(data_range=1.0)(image, image) > 0.999
        assert torch.isclose(PeakSignalNoiseRatio(data_range=1.0)(image, image + 0.1), torch.tensor(20.0), atol=1e-3)
        mean = MeanMetric()
        for value in (1.0, torch.tensor([2.0, 6.0])):
            mean.update(value)
        assert mean.compute() == 3

        class Seen(Metric):
            def __init__(self):
                super().__init__()
                self.add_state("count", torch.tensor(0), dist_reduce_fx="sum", persistent=True)
                self.add_state("values", [], dist_reduce_fx="cat")

            def update(self, values):
                self.count += values.numel()
                self.values.append(values)

            def compute(self):
                return torch.cat(self.values).sum() / self.count

        seen = Seen()
        assert seen(torch.arange(4.0)) == 1.5
        seen.update(torch.ones(4))
        again = pickle.loads(pickle.dumps(seen))
        assert again.compute() == seen.compute() == 1.25 and seen.state_dict() == {"count": torch.tensor(8)}
        seen.reset()
        assert seen.count == 0 and seen.values == []
    """
    run(tmp_path, text, "torchmetrics")


def test_safetensors(tmp_path: Path) -> None:
    text = """
        import torch
        from safetensors import safe_open
        from safetensors.torch import load, load_file, load_model, save, save_file, save_model

        tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2, dtype=torch.bfloat16), "c": torch.tensor([True])}
        save_file(tensors, "x.safetensors", metadata={"who": "rustnn"})
        for back in (load_file("x.safetensors"), load(save(tensors)), torch.load_safetensors("x.safetensors")):
            assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items()), back
        with safe_open("x.safetensors", framework="pt", device="cpu") as file:
            assert sorted(file.keys()) == ["a", "b", "c"] and file.metadata() == {"who": "rustnn"}
            assert torch.equal(file.get_slice("a")[:, 1:], tensors["a"][:, 1:])
        one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
        save_model(one, "m.safetensors")
        load_model(other, "m.safetensors")
        assert torch.equal(one.weight, other.weight)
    """
    run(tmp_path, text, "safetensors")


def test_tqdm(tmp_path: Path) -> None:
    text = """
        import io
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        from tqdm import tqdm, trange
        from tqdm.auto import tqdm as auto

        shown = io.StringIO()
        loader = DataLoader(TensorDataset(torch.arange(10.0)), batch_size=4)
        with tqdm(loader, desc="epoch 1", file=shown, unit="batch") as bar:
            for (batch,) in bar:
                bar.set_postfix(loss=batch.mean().item(), tensor=batch.sum())
        assert "3/3" in shown.getvalue() and "loss=" in shown.getvalue()
        assert [x.item() for x in auto(torch.arange(3), file=io.StringIO())] == [0, 1, 2]
    """
    run(tmp_path, text, "tqdm")


def test_matplotlib(tmp_path: Path) -> None:
    text = """
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        import numpy as np
        import torch

        x = torch.linspace(0, 1, 20)
        figure, axes = plt.subplots(2, 3)
        (line,) = axes[0, 0].plot(x, x**2, label="square")
        assert np.array_equal(line.get_ydata(), (x**2).numpy())
        axes[0, 0].set_xlim(x.min(), x.max())
        axes[0, 0].axhline(x.mean())
        counts, edges, _ = axes[0, 1].hist(torch.randn(100), bins=5)
        assert counts.sum() == 100
        axes[0, 2].scatter(torch.rand(5), torch.rand(5), c=torch.rand(5), s=10 * torch.rand(5))
        axes[1, 0].imshow(torch.rand(3, 8, 8).permute(1, 2, 0))
        axes[1, 1].bar(torch.arange(3), torch.tensor([1, 2, 3]))
        axes[1, 2].fill_between(x, x - 1, x + 1)
        axes[1, 2].errorbar(x, x, yerr=x * 0.1)
        axes[1, 2].contourf(*torch.meshgrid(x, x, indexing="xy"), torch.rand(20, 20))
        figure.savefig("figure.png")
    """
    run(tmp_path, text, "matplotlib")


def test_scikit_learn(tmp_path: Path) -> None:
    text = """
        import torch
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LinearRegression, LogisticRegression
        from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, mean_squared_error, roc_auc_score
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        torch.manual_seed(0)
        x = torch.randn(40, 3)
        y = (x[:, 0] > 0).long()
        x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
        assert isinstance(x_train, torch.Tensor) and x_train.shape == (30, 3) and y_test.dtype == torch.long
        model = LogisticRegression().fit(x_train.numpy(), y_train.numpy())
        assert model.score(x_test, y_test) == LogisticRegression().fit(x_train, y_train).score(x_test, y_test) > 0.7
        assert accuracy_score(y_test, y_test) == f1_score(y_test, y_test) == 1.0
        assert confusion_matrix(y, torch.tensor(model.predict(x))).sum() == 40
        assert roc_auc_score(y, x[:, 0]) == 1.0
        assert abs(mean_squared_error(x[:, 0], x[:, 1]) - torch.nn.functional.mse_loss(x[:, 0], x[:, 1]).item()) < 1e-6
        scaled = torch.from_numpy(StandardScaler().fit_transform(x.numpy()))
        assert torch.allclose(scaled.mean(0), torch.zeros(3), atol=1e-6) and scaled.dtype == torch.float32
        assert torch.as_tensor(PCA(2).fit_transform(x)).shape == (40, 2)
        line = LinearRegression().fit(x, 2 * x[:, 0] + 1)
        assert abs(line.coef_[0] - 2) < 1e-4 and abs(line.intercept_ - 1) < 1e-4
    """
    run(tmp_path, text, "sklearn", "scipy", "joblib")


def test_pandas(tmp_path: Path) -> None:
    text = """
        import numpy as np
        import pandas as pd
        import torch
        from torch.utils.data import DataLoader, Dataset

        frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "label": [0, 1, 0]})
        assert torch.tensor(frame.values).dtype == torch.float64
        assert torch.tensor(frame[["a", "b"]].to_numpy(), dtype=torch.float32).tolist() == [[1, 4], [2, 5], [3, 6]]
        for made in (torch.tensor(frame["label"]), torch.tensor(frame["label"].values), torch.LongTensor(frame["label"].tolist())):
            assert made.dtype == torch.int64 and made.tolist() == [0, 1, 0]
        assert torch.from_numpy(frame["a"].to_numpy(copy=True)).tolist() == [1, 2, 3]
        assert torch.tensor(frame["label"] == 1).tolist() == [False, True, False]

        class Rows(Dataset):
            def __len__(self):
                return len(frame)

            def __getitem__(self, index):
                row = frame.iloc[index]
                return torch.tensor(row[["a", "b"]].to_numpy(dtype=np.float32)), int(row["label"])

        features, labels = next(iter(DataLoader(Rows(), batch_size=3)))
        assert features.tolist() == [[1, 4], [2, 5], [3, 6]] and labels.tolist() == [0, 1, 0]
        history = pd.DataFrame({"loss": [torch.tensor(1.0).item()]})
        frame["prediction"] = torch.tensor([0.1, 0.2, 0.3]).numpy()
        assert pd.Series(torch.ones(2)).tolist() == [1, 1] and pd.DataFrame(torch.ones(2, 2)).shape == (2, 2)
        assert frame.loc[torch.tensor([True, False, True]).numpy(), "b"].tolist() == [4, 6]
    """
    run(tmp_path, text, "pandas")


def test_pillow(tmp_path: Path) -> None:
    text = """
        import numpy as np
        import torch
        from PIL import Image
        from torchvision import transforms

        pixels = np.arange(36, dtype=np.uint8).reshape(4, 3, 3)
        image = Image.fromarray(pixels)
        made = torch.from_numpy(np.array(image))
        assert torch.equal(made, torch.tensor(np.asarray(image))) and made.shape == (4, 3, 3)
        tensor = transforms.ToTensor()(image)
        assert torch.equal(tensor, made.permute(2, 0, 1) / 255)
        for back in (transforms.ToPILImage()(tensor), transforms.ToPILImage()(made.permute(2, 0, 1)), transforms.ToPILImage("RGB")(pixels)):
            assert back.mode == "RGB" and np.array_equal(np.asarray(back), pixels)
        assert transforms.ToPILImage()(torch.rand(1, 4, 4)).mode == "L"
        assert transforms.ToPILImage()(torch.rand(4, 4)).mode == "L"
        assert transforms.ToPILImage()(torch.zeros(4, 2, 2, dtype=torch.uint8)).mode == "RGBA"
        assert transforms.ToPILImage()(torch.zeros(1, 2, 2, dtype=torch.int32)).mode == "I"
        Image.fromarray((torch.rand(4, 3, 3) * 255).to(torch.uint8).numpy()).save("x.png")
        for wrong in (torch.zeros(5, 2, 2), torch.zeros(2)):
            try:
                transforms.ToPILImage()(wrong)
            except ValueError:
                continue
            raise AssertionError(wrong.shape)
        print(transforms.Compose([transforms.ToPILImage(), transforms.ToTensor()]))
    """
    run(tmp_path, text, "PIL")


def test_models_of_torchvision(tmp_path: Path) -> None:
    text = """
        import torch
        import torchvision
        from torchvision import models
        from torchvision.models import ResNet50_Weights, mobilenet_v2, resnet18

        model = resnet18(num_classes=5).eval()
        assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
        model.fc = torch.nn.Linear(model.fc.in_features, 2)
        assert sum(p.numel() for p in models.resnet50().parameters()) == 25_557_032
        assert sum(p.numel() for p in torchvision.models.vgg11(num_classes=10).parameters()) == 128_807_306
        assert mobilenet_v2(weights=None)(torch.zeros(2, 3, 32, 32)).shape == (2, 1000)
        for ask, said in [(lambda: models.resnet50(weights=ResNet50_Weights.DEFAULT), "nothing is downloaded"),
                          (lambda: models.resnet18(pretrained=True), "nothing is downloaded"),
                          (lambda: models.alexnet, "there are mobilenet_v2")]:
            try:
                ask()
            except (NotImplementedError, AttributeError) as error:
                assert said in str(error), error
                continue
            raise AssertionError(said)
    """
    run(tmp_path, text)
