"""Each page of TensorBoard in a browser, on what an example wrote: the curves, the graph, the points are there.

Needs the package playwright and a Chromium of the system (Debian's package `chromium`). RUSTNN_SCREENSHOTS names
a folder for pictures of the pages.
"""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

for package in ("tensorboard", "playwright", "PIL"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed", allow_module_level=True)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
if not CHROMIUM:
    pytest.skip("no program `chromium`: apt-get install chromium", allow_module_level=True)

from tensorboard_server import tensorboard_server  # noqa: E402

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-proxy-server",
]
PATIENCE = 60_000  # milliseconds that an element may take to appear


Open = Callable[[str], Any]


def close(page: Any, name: str) -> None:
    folder = os.environ.get("RUSTNN_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(1000)  # what moves comes to rest
        page.screenshot(path=Path(folder) / f"{name}.png")
    page.close()


def wait_for_lines(page: Any, element: str, points: int, lines: int = 1) -> None:
    """Until an element has so many lines that go through so many points."""
    page.wait_for_function(
        """([element, points, lines]) => {
            const found = [], search = (root, inside) => {
                for (const child of root.querySelectorAll('*')) {
                    const here = inside || child.closest(element) !== null;
                    if (here && child.tagName === 'path') found.push(child.getAttribute('d') || '');
                    if (child.shadowRoot) search(child.shadowRoot, here);
                }
            };
            search(document, false);
            return found.filter(path => path.split(/[ML]/).length > points).length >= lines;
        }""",
        arg=[element, points, lines],
    )


def curves(opened: Open) -> None:
    page = opened("scalars")
    page.locator("tf-scalar-card .name", has_text="accuracy").first.wait_for()
    wait_for_lines(page, "tf-scalar-card", 100)
    for run in ("looking", "looking/norm_middle", "looking/norm_head", "looking/hparams"):
        page.get_by_text(run, exact=True).first.wait_for()
    close(page, "scalars")


def the_first_page(opened: Open) -> None:
    page = opened("timeseries")
    page.locator("scalar-card line-chart").first.wait_for()
    page.locator("histogram-card svg").first.wait_for()
    page.get_by_text("accuracy").first.wait_for()
    close(page, "timeseries")


def custom_curves(opened: Open) -> None:
    page = opened("custom_scalars")
    wait_for_lines(page, "tf-custom-scalar-multi-line-chart-card", 100, lines=2)
    close(page, "custom_scalars")


def pictures(opened: Open) -> None:
    page = opened("images")
    page.locator("tf-image-loader .name", has_text="pictures").wait_for()
    image = page.locator("tf-image-loader img")
    image.wait_for()
    page.wait_for_function("image => image.complete", arg=image.element_handle())
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [96, 24]
    close(page, "images")


def the_graph(opened: Open) -> None:
    """The tree of modules: a double click opens one, and on the arrows are the shapes."""
    page = opened("graphs")

    def nodes() -> set[str]:
        names: list[str] = page.locator("g.node").evaluate_all("found => found.map(n => n.dataset.name)")
        return set(names)

    net = page.locator("g.node[data-name=Net]")
    net.wait_for()
    page.locator("textPath", has_text="1×1×12×12").wait_for(state="attached")
    assert nodes() == {"input", "Net", "output"}
    page.wait_for_timeout(1000)  # it comes flying
    net.locator("text.nodelabel, rect").first.dblclick()
    features = "Net/Sequential[features]"
    page.locator(f"g.node[data-name='{features}']").wait_for()
    assert nodes() >= {features, "Net/Linear[middle]", "Net/Relu", "Net/Linear[head]"}
    shapes = set(page.locator("textPath").all_text_contents())
    assert shapes == {"1×1×12×12", "1×144", "1×16", "1×3"}
    close(page, "graph")


def histograms(opened: Open) -> None:
    for name, element in (
        ("histograms", "vz-histogram-timeseries"),
        ("distributions", "vz-distribution-chart"),
    ):
        page = opened(name)
        page.locator("tf-card-heading .name", has_text="features.0.weight").wait_for()
        wait_for_lines(page, element, 10, lines=10)
        close(page, name)


def the_projector(opened: Open) -> None:
    """The points are drawn as their pictures, have the names of their kinds, and colours by them."""
    page = opened("projector")
    projector = page.frame_locator("iframe").last.frame_locator("iframe")
    canvas = projector.locator("#scatter canvas").first
    canvas.wait_for()
    projector.locator("#colorby paper-item", has_text="label").wait_for(state="attached")
    projector.locator("vz-projector-inspector-panel input:visible").first.fill("ring")
    projector.get_by_text(re.compile(r"^[1-9]\d* matches")).wait_for()

    def colours() -> set[tuple[int, ...]]:
        from PIL import Image

        with Image.open(io.BytesIO(canvas.screenshot())) as image:
            return {colour for count, colour in image.convert("RGB").getcolors(1 << 24) if count > 9}

    assert len([c for c in colours() if c[0] == c[1] == c[2]]) > 100  # the grey levels of the pictures
    projector.locator("#colorby").click()
    projector.locator("#colorby paper-item:visible", has_text="label").click()
    page.wait_for_timeout(500)
    assert len([c for c in colours() if max(c) - min(c) > 50]) > 100
    close(page, "projector")


def precision_and_recall(opened: Open) -> None:
    page = opened("pr_curves")
    page.locator("tf-pr-curve-card .name", has_text="rings").wait_for()
    wait_for_lines(page, "tf-pr-curve-card", 100)
    close(page, "pr_curves")


def hyperparameters(opened: Open) -> None:
    page = opened("hparams")
    for cell in ("looking/hparams", "0.0030000", "Adam"):
        page.locator("vaadin-grid-cell-content", has_text=cell).first.wait_for()
    close(page, "hparams")


def words_and_sound(opened: Open) -> None:
    page = opened("text")
    page.locator("strong", has_text="crosses").wait_for()
    close(page, "text")
    page = opened("audio")
    sound = page.locator("audio")
    sound.wait_for()
    page.wait_for_function("sound => sound.duration > 0.9", arg=sound.element_handle())
    close(page, "audio")


def test_pages(tmp_path: Path, subtests: Any) -> None:
    """One test, so that one server and one browser serve it wherever tests run in several processes."""
    from playwright.sync_api import sync_playwright

    with (
        tensorboard_server(tmp_path) as server,
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):

        def opened(name: str) -> Any:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENCE)
            page.goto(f"{server.address}#{name}")
            return page

        for check in (
            the_first_page,
            curves,
            custom_curves,
            pictures,
            the_graph,
            histograms,
            the_projector,
            precision_and_recall,
            hyperparameters,
            words_and_sound,
        ):
            with subtests.test(check.__name__):
                check(opened)
