/* The explorer's drawings: the input with its padding, and the output. A pixel is a unit square. */
const explorerMaps = (() => {
  const sums = explorerArithmetic;
  const { range } = sums;
  const mix = (low, high, share) => low.map((one, index) => Math.round(one + (high[index] - one) * share));
  const BLACK = [0, 0, 0], WHITE = [255, 255, 255], ABOVE = [255, 138, 31], BELOW = [150, 110, 255];
  const grey = value => mix(BLACK, WHITE, value / 255);
  const rgb = colour => `rgb(${colour})`;
  const inkOn = ([red, green, blue]) => 0.3 * red + 0.59 * green + 0.11 * blue > 125 ? "#000" : "#fff";

  /* A cell as markup: a square with its number, or a hatched one without. */
  function square(x, y, colour, value) {
    const at = `<rect x="${x}" y="${y}" width="1" height="1"`;
    if (!colour) return `${at} class="beyond"/>${at} fill="url(#explorer-hatch)"/>`;
    const number = explorerText.number(value);
    return `${at} fill="${rgb(colour)}"/><text x="${x + 0.5}" y="${y + 0.5}"`
      + ` fill="${inkOn(colour)}" class="l${number.length}">${number}</text>`;
  }

  /* Draw cells from a corner on, each by `cell(x, y)`, with a grid and a mark of a given size. */
  function draw(map, left, top, columns, rows, cell, marked) {
    map.setAttribute("viewBox", `${left} ${top} ${columns} ${rows}`);
    map.dataset.cells = Math.max(columns, rows);
    map.querySelector(".cells").innerHTML = range(rows * columns).map(
      index => cell(left + index % columns, top + Math.floor(index / columns))).join("");
    map.querySelector(".lines").setAttribute("d",
      range(columns + 1).map(x => `M${left + x} ${top}v${rows}`).join("")
      + range(rows + 1).map(y => `M${left} ${top + y}h${columns}`).join(""));
    for (const mark of map.querySelectorAll(".mark")) {
      mark.setAttribute("width", marked);
      mark.setAttribute("height", marked);
    }
  }

  /* Padding without a value is hatched; padding with values of the image is paler. */
  function drawInput(map, { settings, image, axes }) {
    const [height, width] = axes;
    const [rows, columns] = axes.map(axis => axis.before + axis.size + axis.after);
    draw(map, -width.before, -height.before, columns, rows, (x, y) => {
      const { value, inside, exists } = sums.cellAt(image, settings, y, x);
      if (inside) return square(x, y, grey(value), value);
      return exists && settings.mode !== "zeros"
        ? square(x, y, mix(grey(value), [128, 128, 128], 0.45), value) : square(x, y);
    }, height.kernel);
    map.querySelector(".image-edge").setAttribute("d", `M0 0H${width.size}V${height.size}H0Z`);
    const padded = rows + columns > height.size + width.size ? `, padded to ${rows} × ${columns}` : "";
    return `${height.size} × ${width.size}${padded}`;
  }

  /* From black to white, or from violet below 0 to orange above. */
  function drawOutput(map, { outputs }) {
    const flat = outputs.flat();
    const reach = Math.max(...flat.map(Math.abs)) || 1;
    const signed = Math.min(...flat) < 0;
    const colour = value =>
      mix(BLACK, value < 0 ? BELOW : signed ? ABOVE : WHITE, Math.abs(value) / reach);
    draw(map, 0, 0, outputs[0].length, outputs.length,
      (x, y) => square(x, y, colour(outputs[y][x]), outputs[y][x]), 1);
    return `${outputs.length} × ${outputs[0].length}${signed ? "; violet is below 0, orange above" : ""}`;
  }

  function mark(map, x, y) {
    for (const made of map.querySelectorAll(".mark")) made.style.transform = `translate(${x}px, ${y}px)`;
  }

  /* Show the numbers only in cells that are large enough. */
  const room = map => map.classList.toggle("roomy", map.clientWidth / map.dataset.cells >= 24);

  return { drawInput, drawOutput, mark, room, grey, rgb, inkOn };
})();
