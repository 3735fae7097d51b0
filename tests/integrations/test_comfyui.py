"""The nodes for ComfyUI, called as it calls them, without it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from photoflow import Animator, InputError

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"
# ComfyUI's own nodes in the workflow: what they take and give, and their number of widgets.
BUILT_IN = {
    "LoadImage": ({}, ("IMAGE", "MASK"), 2),
    "MaskToImage": ({"mask": "MASK"}, ("IMAGE",), 0),
    "PreviewImage": ({"images": "IMAGE"}, (), 0),
    "SaveAnimatedWEBP": ({"images": "IMAGE"}, (), 5),
}
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")


@pytest.fixture(scope="module")
def pack():
    """The folder as ComfyUI loads it: a package by its path, whatever its name."""
    spec = importlib.util.spec_from_file_location(
        "custom_nodes_photoflow", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.modules["custom_nodes_photoflow.nodes"].animator = lambda: Animator("cpu", "grabcut", offline=True)
    yield module
    for name in ("custom_nodes_photoflow", "custom_nodes_photoflow.nodes"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def photo():
    """IMAGE (1, 90, 120, 3) of a disc before a wall, and its MASK (1, 90, 120)."""
    picture = np.random.default_rng(0).integers(60, 120, (90, 120, 3), dtype=np.uint8)
    mask = cv2.circle(np.zeros((90, 120), np.uint8), (60, 45), 20, 255, -1)
    picture[mask > 0] = (240, 160, 20)
    return torch.from_numpy(picture)[None] / 255, torch.from_numpy(mask)[None] / 255


def call(pack, name, **inputs):
    """Call a node by its declared name and function, with declared inputs only, and check what it returns."""
    kind = pack.NODE_CLASS_MAPPINGS[name]
    declared = kind.INPUT_TYPES()
    known = {**declared["required"], **declared.get("optional", {})}
    assert set(declared["required"]) <= set(inputs) <= set(known)
    returned = getattr(kind(), kind.FUNCTION)(**inputs)
    assert isinstance(returned, tuple) and len(returned) == len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES)
    return returned


def test_a_photo_goes_through_all_nodes(pack, photo):
    image, mask = photo
    (stage,) = call(pack, "PhotoflowStage", image=image, size=1280, mask=mask)
    assert (stage.width, stage.height) == (120, 90)  # not enlarged
    (motion,) = call(pack, "PhotoflowMotion", words="translate dx=24")
    images, masks, flow = call(pack, "PhotoflowRender", stage=stage, motion=motion, seconds=1.0, fps=8.0, loop=True)
    assert images.shape == (8, 90, 120, 3) and images.dtype == torch.float32
    assert images.min() >= 0 and 0.9 < images.max() <= 1
    assert masks.shape == (8, 90, 120) and masks.min() >= 0 and masks.max() <= 1
    assert flow.shape == (7, 90, 120, 2) and flow.dtype == torch.float32
    torch.testing.assert_close(images[0], image[0], atol=0.02, rtol=0)
    place = [float((one.sum(0) * torch.arange(120)).sum() / one.sum()) for one in masks]
    assert place[0] == pytest.approx(60, abs=1) and place[4] == pytest.approx(84, abs=1)
    moved = flow[2][masks[2] > 0.9].mean(dim=0)
    assert float(moved[0]) == pytest.approx(place[3] - place[2], abs=0.05) and abs(float(moved[1])) < 0.05
    assert not flow[2][:15].any()  # x right, y down, and 0 where nothing moves


def test_a_camera_adds_to_a_motion_and_needs_no_subject(pack, photo):
    image, mask = photo
    (stage,) = call(pack, "PhotoflowStage", image=image, size=60, mask=torch.zeros_like(mask))  # an empty one is none
    assert (stage.width, stage.height) == (60, 45)
    still = {"push": 0.2, "pan": 0.0, "tilt": 0.0, "orbit": 0.0}
    (swaying,) = call(pack, "PhotoflowMotion", words="sway strength=0.5")
    (both,) = call(pack, "PhotoflowCamera", motion=swaying, **still)
    assert [part.name for _, part in both.terms()] == ["sway", "camera"]
    (camera,) = call(pack, "PhotoflowCamera", **still)
    images, masks, flow = call(pack, "PhotoflowRender", stage=stage, motion=camera, seconds=0.5, fps=8.0, loop=False)
    assert (images.shape, masks.shape, flow.shape) == ((4, 45, 60, 3), (4, 45, 60), (3, 45, 60, 2))
    assert flow[1, 22, 55, 0] > 0.2 and flow[1, 22, 4, 0] < -0.2  # it grows from the middle


def test_bad_input_is_refused_in_one_line(pack, photo):
    with pytest.raises(InputError, match="image: expected one photo, got a batch of 2"):
        call(pack, "PhotoflowStage", image=photo[0].repeat(2, 1, 1, 1), size=64)
    with pytest.raises(InputError, match="fly"):
        call(pack, "PhotoflowMotion", words="fly")


def test_the_workflow_names_what_there_is(pack):
    """Its nodes, their inputs, outputs and numbers of widgets are those that are declared, and links fit in type."""
    workflow = json.loads((FOLDER / "workflow.json").read_text())
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for node in nodes.values():
        if node["type"] in BUILT_IN:
            inputs, outputs, widgets = BUILT_IN[node["type"]]
        else:
            kind = pack.NODE_CLASS_MAPPINGS[node["type"]]
            declared = kind.INPUT_TYPES()
            known = {name: said[0] for group in declared.values() for name, said in group.items()}
            inputs = {name: what for name, what in known.items() if what not in WIDGETS}
            outputs, widgets = kind.RETURN_TYPES, sum(what in WIDGETS for what in known.values())
            assert [slot["name"] for slot in node["outputs"]] == list(kind.RETURN_NAMES)
            linked = {slot["name"] for slot in node["inputs"] if slot["link"] is not None}
            assert {name for name in declared["required"] if known[name] not in WIDGETS} <= linked
        assert {slot["name"]: slot["type"] for slot in node["inputs"]} == inputs
        assert tuple(slot["type"] for slot in node["outputs"]) == outputs
        assert len(node["widgets_values"]) == widgets
    for number, source, out, target, slot, what in workflow["links"]:
        assert nodes[source]["outputs"][out]["type"] == nodes[target]["inputs"][slot]["type"] == what
        assert number in nodes[source]["outputs"][out]["links"] and nodes[target]["inputs"][slot]["link"] == number
    assert {node["type"] for node in nodes.values()} > set(pack.NODE_CLASS_MAPPINGS)
    assert set(pack.NODE_DISPLAY_NAME_MAPPINGS) == set(pack.NODE_CLASS_MAPPINGS)
