"""Names of format 1, mapped to those of today: old checkpoints, training states, recipes and commands keep working.

Each table maps an old name to the new one. No old name is in use any more, so that mapping twice changes nothing.
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")

# Submodules, parameters and buffers: parts of a dotted key, for the models of each file.
PARAMETERS: dict[str, dict[str, str]] = {
    "autoencoder": {"map_codes": "map_latents"},
    "biggan": {"kinds": "class_embedding", "told": "affine", "short": "shortcut", "exit": "output"},
    "classifier": {"trait_head": "attribute_head"},
    "cyclegan": {"pictures": "images", "held": "count"},
    "diffusion": {
        "kinds": "class_embedding",
        "time": "time_embedding",
        "told": "conditioning",
        "short": "shortcut",
        "entry": "conv_in",
        "exit": "conv_out",
        "halve": "downsample",
        "enlarge": "upsample",
    },
    "gan": {"kinds": "class_embedding"},
    "stylegan2": {
        "kinds": "class_embedding",
        "averages": "w_avg",
        "start": "const",
        "grain": "noise",
        "strength": "noise_strength",
        "picture": "to_rgb",
        "pictures": "to_rgb",
        "entry": "from_rgb",
        "halvings": "blocks",
        "short": "shortcut",
        "exit": "output",
    },
    "vae": {"map_codes": "map_latents"},
}

# Arguments of builders, for any system.
ARGUMENTS = {"codes": "latent_dim", "attends": "attention_position", "z_width": "z_dim"}

# Arguments that were whole multiples of a unit, one or several, while headers knew no floats: today's names, and the
# units in 1.
UNITS = {"epsilon": (("norm_eps",), 1e6), "betas": (("beta_start", "beta_end"), 1e5)}
MAX_UNITS = 4096

# Verbs and controls in recipes, links, the API and flags; commands of the command line.
VERBS = {"redraw": "img2img"}
CONTROLS = {"grain": "noise_mode"}
COMMANDS = VERBS | {"again": "replay"}


def parameters(model: type, tensors: dict[str, T]) -> dict[str, T]:
    """Rename the keys of a checkpoint or training state of a model class; the order stays."""
    names = PARAMETERS.get(model.__module__.rpartition(".")[2], {})
    return {".".join(names.get(part, part) for part in key.split(".")): value for key, value in tensors.items()}


def arguments(values: Any) -> Any:
    """Rename arguments of a system's builder, and convert those in units. Anything but a dict is returned as it is, for
    later checks to refuse; so is a value that an old file cannot have."""
    values = _renamed(values, ARGUMENTS)
    for old in values.keys() & UNITS.keys() if isinstance(values, dict) else ():
        names, in_one = UNITS[old]
        counts = values[old] if isinstance(values[old], (list, tuple)) else [values[old]]
        if len(counts) == len(names) and all(type(count) is int and 0 <= count <= MAX_UNITS for count in counts):
            floats = {name: count / in_one for name, count in zip(names, counts, strict=True)}
            values = {key: value for key, value in values.items() if key != old} | floats
    return values


def scores(values: Any) -> Any:
    """Names of likelihoods in a header, which did not say of which pixels. Bits per dimension were always of 256 levels;
    without them nats were of binary pixels, and beside them of real ones. Anything but a dict is returned as it is."""
    pixels = "real" if isinstance(values, dict) and "bits per dimension" in values else "binary"
    names = {"bits per dimension": "bits per dimension of 256 levels"}
    return _renamed(values, names | {"negative ELBO (nats)": f"negative ELBO of {pixels} pixels (nats)"})


def controls(values: Any) -> Any:
    """Rename controls of a verb. Anything but a dict is returned as it is."""
    return _renamed(values, CONTROLS)


# Seeds had 63 bits, of which the generator read 32: those of former recipes are mapped to the one of the same picture.
FORMER_SEEDS, SEEDS = 2**63, 2**32


def recipe(values: dict[str, Any]) -> dict[str, Any]:
    """Rename the verb and the controls of a recipe, and bring its seeds below 2^32."""
    renamed = {key: controls(value) if key == "controls" else seeds(value) for key, value in values.items()}
    if "seed" in values:
        renamed["seed"] = seed(values["seed"])
    if isinstance(verb := values.get("verb"), str):
        renamed["verb"] = VERBS.get(verb, verb)
    return renamed


def seeds(value: Any) -> Any:
    """The value of a recipe's field, with former seeds of its ends and branches mapped."""
    if isinstance(value, list):
        return [seeds(part) for part in value[:64]] + value[64:]
    if isinstance(value, dict) and "seed" in value:
        return value | {"seed": seed(value["seed"])}
    return value


def seed(value: Any) -> Any:
    """A seed below 2^32 that gives the same picture. Anything but a former seed is returned as it is."""
    return value % SEEDS if type(value) is int and SEEDS <= value < FORMER_SEEDS else value


def _renamed(values: Any, names: dict[str, str]) -> Any:
    return {names.get(key, key): value for key, value in values.items()} if isinstance(values, dict) else values
