"""The base map's colours. Muted throughout: the technicians' markers are what must stand out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one style; ``ground`` is in drawing order, from the lowest."""

    name: str
    land: str
    ground: dict[str, str]
    building: str
    building_edge: str
    streets: dict[str, str]
    casings: dict[str, str]
    path: str
    path_area: str
    rail: str
    arrow: str
    street_text: str
    halo: str
    labels: dict[str, str]


LIGHT = Palette(
    name="light",
    land="#f3f1ec",
    ground={
        "residential": "#f0ede7",
        "commercial": "#edebe8",
        "farmland": "#eff0e3",
        "wood": "#dde8d5",
        "grass": "#e4ecdb",
        "school": "#f0ebdf",
        "park": "#dbe9d1",
        "pitch": "#d0e3c8",
        "parking": "#ebe9e5",
        "wetland": "#d9e6dc",
        "water": "#bfd7e4",
        "square": "#ebe7df",
        "pier": "#e8e4dc",
    },
    building="#e7e3dc",
    building_edge="#d8d3c9",
    streets={
        "service": "#faf9f7",
        "minor": "#ffffff",
        "tertiary": "#ffffff",
        "secondary": "#fffdf6",
        "primary": "#fff9ea",
        "motorway_link": "#fdf0d2",
        "motorway": "#fbe9c6",
    },
    casings={
        "service": "#e2ded7",
        "minor": "#d9d5cd",
        "tertiary": "#d2cdc4",
        "secondary": "#d2c9b6",
        "primary": "#d6c8a8",
        "motorway_link": "#e0cca0",
        "motorway": "#dcc292",
    },
    path="#cfc8bb",
    path_area="#f7f5f1",
    rail="#c9c5be",
    arrow="#b3aea4",
    street_text="#67645e",
    halo="#ffffff",
    labels={
        "park": "#557a4e",
        "square": "#7c766b",
        "water": "#54809c",
        "station": "#56617a",
        "neighbourhood": "#807b73",
        "suburb": "#6a665f",
        "city": "#3f3d3a",
    },
)

DARK = Palette(
    name="dark",
    land="#1b2026",
    ground={
        "residential": "#1d2228",
        "commercial": "#1f242a",
        "farmland": "#1d2324",
        "wood": "#1b2724",
        "grass": "#1d2826",
        "school": "#21252a",
        "park": "#1c2a26",
        "pitch": "#1f2f29",
        "parking": "#20252b",
        "wetland": "#1a272b",
        "water": "#13212e",
        "square": "#22272e",
        "pier": "#22272d",
    },
    building="#262c34",
    building_edge="#2e353e",
    streets={
        "service": "#2d343d",
        "minor": "#363e48",
        "tertiary": "#3b444f",
        "secondary": "#424b56",
        "primary": "#4a525b",
        "motorway_link": "#4f4c46",
        "motorway": "#5c564a",
    },
    casings={
        "service": "#1d2228",
        "minor": "#171b20",
        "tertiary": "#171b20",
        "secondary": "#15191e",
        "primary": "#15191e",
        "motorway_link": "#15181c",
        "motorway": "#15181c",
    },
    path="#343b44",
    path_area="#2a3038",
    rail="#3d454f",
    arrow="#66707c",
    street_text="#a3adb9",
    halo="#171b21",
    labels={
        "park": "#7a9f86",
        "square": "#8d96a1",
        "water": "#6690ae",
        "station": "#96a5bd",
        "neighbourhood": "#838d99",
        "suburb": "#98a2ae",
        "city": "#d2d8df",
    },
)
