"""The kinds of COCO's classes, by the names that torchvision gives them."""

from __future__ import annotations

_CLASSES = {
    "person": ("person",),
    "animal": ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "plant": ("potted plant",),
    "cloth": ("kite", "tie"),
    "rigid": (
        "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
        "traffic light", "fire hydrant", "street sign", "stop sign", "parking meter", "bench",
        "hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag", "suitcase",
        "frisbee", "skis", "snowboard", "sports ball", "baseball bat", "baseball glove", "skateboard", "surfboard",
        "tennis racket", "bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon", "bowl",
        "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
        "chair", "couch", "bed", "mirror", "dining table", "window", "desk", "toilet", "door",
        "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
        "refrigerator", "blender", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
    ),
}  # fmt: skip

KIND_OF_CLASS = {name: kind for kind, names in _CLASSES.items() for name in names}
