"""What is in the photos of `bench_kinds`, drawn by hand: coarse outlines of regions, and the kind of the main thing.

Coordinates are shares of width and height. A region that may be found or not, and counts neither way, is in `MAY`.
"""

from __future__ import annotations

Points = tuple[tuple[float, float], ...]
WHOLE: Points = ((0, 0), (1, 0), (1, 1), (0, 1))


def above(*line: tuple[float, float]) -> Points:
    """Return the outline of what is above a line from the left to the right border."""
    return ((0, 0), *line, (1, 0))


MUST: dict[str, dict[str, Points]] = {
    "Blinds": {"plant": WHOLE},
    "Bridge_by_Sander_Klootwijk": {"sky": above((0, 0.85), (0.5, 0.86), (1, 0.81))},
    "BytheWater": {
        "sky": above((0, 0.17), (1, 0.17)),
        "water": ((0, 0.19), (1, 0.2), (1, 0.35), (0, 0.5)),
    },
    "DarkestHour": {
        "sky": above((0, 0.63), (1, 0.63)),
        "water": ((0, 0.7), (1, 0.7), (1, 1), (0, 1)),
    },
    "Dune": {
        "sky": above((0, 0.32), (1, 0.32)),
        "water": ((0, 0.32), (1, 0.32), (1, 0.52), (0.7, 0.48), (0.4, 0.56), (0.2, 0.6), (0, 0.62)),
    },
    "EveningGlow": {
        "sky": above((0, 0.3), (0.3, 0.25), (0.55, 0.33), (0.8, 0.32), (1, 0.22)),
        "water": ((0, 0.39), (0.75, 0.41), (0.75, 0.5), (0.25, 0.5), (0, 0.6)),
    },
    "GreenMeadow": {"plant": WHOLE},
    "LadyBird": {"plant": WHOLE},
    "OneStandsOut": {"plant": WHOLE},
    "RainDrops": {"plant": WHOLE},
    "Storm": {"sky": above((0, 0.66), (0.4, 0.65), (1, 0.62))},
    "aitzgorri_by_Aitzol_Berasategi": {"sky": above((0, 0.23), (0.25, 0.2), (0.5, 0.13), (0.7, 0.13), (1, 0.23))},
    "elementary_Snow-Capped_Mountain": {
        "sky": above((0, 0.5), (0.2, 0.6), (0.35, 0.5), (0.45, 0.3), (0.55, 0.32), (0.65, 0.5), (1, 0.5)),
    },
    "elementary_Sunset_by_the_Pier": {
        "sky": above((0, 0.43), (1, 0.43)),
        "water": ((0, 0.44), (1, 0.44), (1, 0.95), (0.55, 0.5), (0.42, 0.5), (0, 0.85)),
    },
    "elementary_Viktor_Forgacs": {"sky": ((0, 0), (1, 0), (1, 0.35), (0.72, 0.28), (0.45, 1), (0, 1))},
    "picosdeeuropa_by_Aitzol_Berasategi": {
        "sky": above((0, 0.25), (0.15, 0.3), (0.3, 0.45), (0.45, 0.3), (0.55, 0.22), (0.8, 0.3), (1, 0.33)),
    },
    "pop-os_ahmadreza-sajadi-10140-edit": {"sky": above((0, 0.7), (0.5, 0.78), (1, 0.8))},
    "pop-os_jad-limcaco-183877": {"sky": above((0, 0.27), (1, 0.28))},
    "pop-os_jared-evans-119758": {"sky": above((0, 0.7), (0.3, 0.72), (0.6, 0.63), (1, 0.58))},
    "pop-os_kait-herzog-8242": {"sky": above((0, 0.76), (1, 0.75))},
    "pop-os_sean-afnan-244576": {
        "sky": above((0, 0.36), (0.2, 0.33), (0.4, 0.36), (0.6, 0.25), (0.85, 0)),
        "water": ((0, 0.5), (0.4, 0.45), (0.7, 0.55), (1, 0.85), (1, 1), (0, 1)),
    },
    "pop-os_tony-webster-97532": {
        "sky": (
            (0, 0.1), (0.2, 0), (0.45, 0), (1, 0.33), (1, 0.72), (0.73, 0.72), (0.46, 0.42), (0.2, 0.72), (0, 0.72),
        ),
    },
    "summer_1am": {"sky": above((0, 0.65), (1, 0.65)), "water": ((0, 0.68), (1, 0.68), (1, 1), (0, 1))},
    "sunset_by_Aitzol_Berasategi": {"sky": above((0, 0.45), (0.3, 0.5), (0.6, 0.45), (1, 0.42))},
    "tree2": {"plant": ((0.2, 0), (1, 0), (1, 1), (0.3, 1))},
    "skimage camera": {"sky": above((0, 0.38), (1, 0.38))},
    "skimage rocket": {"sky": above((0.1, 0.9), (0.9, 0.9))},
}  # fmt: skip

MAY: dict[str, tuple[str, ...]] = {
    "Bridge_by_Sander_Klootwijk": ("water",),
    "ColdRipple": ("sky", "water"),
    "Dragonfly_by_Bolly": ("sky", "plant"),
    "Dune": ("plant",),
    "FallenLeaf": ("plant",),
    "Path": ("plant",),
    "TwoWings": ("plant",),
    "aitzgorri_by_Aitzol_Berasategi": ("plant",),
    "elementary_Ashim_DSilva": ("sky",),
    "elementary_Martin_Adams": ("sky",),
    "elementary_Morskie_Oko": ("plant",),
    "flower": ("plant",),
    "life_by_Aitzol_Berasategi": ("plant", "water"),
    "pop-os_galen-crout-175291": ("sky",),
    "pop-os_ng-32703": ("water",),
    "rose": ("plant",),
    "tree2": ("sky",),
}

THINGS: dict[str, str] = {
    "Bridge_by_Sander_Klootwijk": "rigid",
    "ColdRipple": "rigid",
    "ColorfulCups": "rigid",
    "Dragonfly_by_Bolly": "plant",
    "EveningGlow": "rigid",
    "FallenLeaf": "plant",
    "Kleiber_by_Lukas_Baubkus": "animal",
    "LadyBird": "animal",
    "Picture_0B_by_freespace": "rigid",
    "Picture_1A_by_freespace": "rigid",
    "TwoWings": "plant",
    "Wine_by_Jakkub_Mede": "rigid",
    "elementary_Ashim_DSilva": "rigid",
    "elementary_Martin_Adams": "plant",
    "elementary_Morskie_Oko": "plant",
    "elementary_Mr_Lee": "hanging",
    "elementary_Photo_by_SpaceX": "rigid",
    "elementary_Snow-Capped_Mountain": "rigid",
    "elementary_Tj_Holowaychuk": "plant",
    "elementary_Viktor_Forgacs": "rigid",
    "flower": "plant",
    "free_by_Peter_Nerlich": "hanging",
    "greentock_by_Peter_Nerlich": "rigid",
    "picosdeeuropa_by_Aitzol_Berasategi": "rigid",
    "pop-os_galen-crout-175291": "rigid",
    "pop-os_jared-evans-119758": "rigid",
    "pop-os_kait-herzog-8242": "rigid",
    "pop-os_nasa-53884": "rigid",
    "pop-os_ng-32703": "animal",
    "pop-os_sean-afnan-244576": "rigid",
    "pop-os_sebastien-gabriel-232361": "rigid",
    "pop-os_spacex-81773": "rigid",
    "pop-os_tony-webster-97532": "rigid",
    "rose": "plant",
    "sunset_by_Aitzol_Berasategi": "rigid",
    "skimage astronaut": "person",
    "skimage camera": "person",
    "skimage chelsea": "animal",
    "skimage coffee": "rigid",
    "skimage rocket": "rigid",
}
