"""Seconds a step of seeds of the lecture's network in JAX, trained together.

    python bench/jax_peer.py --seeds 30 --steps 400

`vmap` over seeds and `scan` over steps, compiled as one program; images are gathered in it.
"""

import argparse
import os
import time
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
from jax import lax, nn, random
from jax import numpy as jnp

BATCH = 64
RATE, DECAY, EPSILON = 1e-3, 0.9, 1e-7
Tree = Any
SHAPES = {"first": (3, 3, 1, 32), "second": (3, 3, 32, 64), "third": (3, 3, 64, 64),
          "hidden": (576, 64), "output": (64, 10)}  # fmt: skip


def weights(key: Any) -> Tree:
    """Initial weights of one seed: for each layer its filters and biases."""
    draw, keys = nn.initializers.glorot_uniform(), random.split(key, len(SHAPES))
    shapes = zip(keys, SHAPES.items(), strict=True)
    return {name: (draw(one, shape), jnp.zeros(shape[-1])) for one, (name, shape) in shapes}


def loss(layers: Tree, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of images (B, 28, 28, 1)."""

    def convolved(maps: Any, name: str) -> Any:
        filters, bias = layers[name]
        axes = ("NHWC", "HWIO", "NHWC")
        return (
            lax.conv_general_dilated(maps, filters, (1, 1), "VALID", dimension_numbers=axes) + bias
        )

    def pooled(maps: Any) -> Any:
        return lax.reduce_window(maps, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    maps = nn.relu(pooled(convolved(images, "first")))
    maps = nn.relu(pooled(convolved(maps, "second")))
    features = nn.relu(convolved(maps, "third")).reshape(len(images), -1)
    features = nn.relu(features @ layers["hidden"][0] + layers["hidden"][1])
    logits = features @ layers["output"][0] + layers["output"][1]
    return -jnp.take_along_axis(nn.log_softmax(logits), labels[:, None], 1).mean()


def main() -> None:
    """Time some steps, the fastest of three runs, after one that compiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--steps", type=int, default=400)
    given = parser.parse_args()
    key = random.PRNGKey(0)
    pixels = random.randint(key, (60_000, 28, 28, 1), 0, 256).astype(jnp.uint8)
    labels = random.randint(key, (60_000,), 0, 10)

    def step(state: Tree, chosen: Any) -> tuple[Tree, None]:
        layers, squares = state
        slopes = jax.grad(loss)(layers, pixels[chosen] / 255.0, labels[chosen])
        squares = jax.tree.map(lambda v, g: DECAY * v + (1 - DECAY) * g * g, squares, slopes)
        moved = jax.tree.map(
            lambda w, g, v: w - RATE * g / (jnp.sqrt(v) + EPSILON), layers, slopes, squares
        )
        return (moved, squares), None

    def steps(layers: Tree, squares: Tree, order: Any) -> Tree:
        return lax.scan(step, (layers, squares), order)[0]

    together = jax.jit(jax.vmap(steps))
    layers = jax.vmap(weights)(random.split(key, given.seeds))
    squares = jax.tree.map(jnp.zeros_like, layers)
    order = random.randint(key, (given.seeds, given.steps, BATCH), 0, len(labels))
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        jax.block_until_ready(together(layers, squares, order))
        seconds.append(time.perf_counter() - began)
    print(f"seconds_a_step {min(seconds[1:]) / given.steps:.6g}")


if __name__ == "__main__":
    main()
