/* The explorer on the page: it shows what explorer_arithmetic.js works out, and asks for nothing. */
(() => {
  const sums = explorerArithmetic;
  const { range } = sums;
  const root = document.getElementById("explorer");
  const form = root.querySelector("form");
  const find = selector => root.querySelector(selector);
  const [input, output] = [find(".input svg"), find(".output svg")];
  const collection = JSON.parse(document.getElementById("explorer-digits").textContent);
  const digits = collection.digits.map(({ label, training_index, pixels }) => {
    const bytes = Uint8Array.from(atob(pixels), letter => letter.charCodeAt(0));
    const rows = range(28).map(row => Array.from(bytes.subarray(28 * row, 28 * row + 28)));
    return { label, training_index, rows };
  });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const OWN = "your own";
  const MODE_HINTS = {
    zeros: "Padding counts as 0.", reflect: "Padding mirrors the image.",
    replicate: "Padding repeats the edge.", circular: "Padding is the other side of the image.",
  };
  const SCENES = [
    ["Edges", "− on the left and + on the right answer where dark turns to bright: orange. Bright to dark is blue, and flat ground is 0.",
      { operator: "convolution", filter: "vertical edges", kernel: 3, stride: 1, padding: "valid" }],
    ["By hand", "A digit small enough to check every number by hand, with padding that keeps its size.",
      { operator: "convolution", filter: "outline", kernel: 3, stride: 1, padding: "same", mode: "zeros", height: 9, width: 8 }],
    ["Max pooling", "The largest pixel of each 2×2 window. With stride 2 no pixel is seen twice, and each side is halved.",
      { operator: "max", kernel: 2, stride: 2, padding: "valid" }],
    ["Even kernel", "To keep the size, a 4×4 kernel needs 3 more pixels an axis: 1 goes before and 2 behind, so the picture moves half a pixel.",
      { operator: "convolution", filter: "blur", kernel: 4, stride: 1, padding: "same", mode: "zeros", height: 10, width: 10 }],
    ["Remainder", "A 3×3 window with stride 2 makes 13 of 28, not 14: the formula rounds down, and the last row and column are in no window.",
      { operator: "average", kernel: 3, stride: 2, padding: "valid" }],
    ["Border", "Padding is never counted: at the border the weights of the pixels that exist are brought back to a sum of 1.",
      { operator: "weighted", kernel: 4, stride: 2, padding: "pixels", pixels: 1, height: 10, width: 10, sigma: 1 }],
    ["Full padding", "With f − 1 on each side every pixel is in as many windows as any other, and the output is larger than the input.",
      { operator: "convolution", filter: "blur", kernel: 5, stride: 1, padding: "full", mode: "zeros", height: 14, width: 14 }],
  ];
  // As in a configuration, the convolution and the pooling have numbers of their own.
  const own = {
    convolution: { kernel: 3, stride: 1, padding: "valid", pixels: 1, mode: "zeros", filter: "vertical edges" },
    pooling: { kernel: 2, stride: 2, padding: "valid", pixels: 1 },
  };
  let shown = null;  // what is laid out now: { settings, axes, image, outputs }
  let place = { row: 0, column: 0 };
  let weights = sums.FILTERS["vertical edges"](3);
  let timer = 0, veiled = false, said = 0;

  const field = name => form.elements[name] ?? root.querySelector(`[name="${name}"]`);
  const group = () => field("operator").value === "convolution" ? own.convolution : own.pooling;
  const options = (select, values) => {
    const chosen = select.value;
    select.replaceChildren(...values.map(value => new Option(value, value)));
    if (values.includes(chosen)) select.value = chosen;
  };
  const text = value => {
    if (value === -Infinity) return "−∞";
    const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 1 ? 3 : Math.abs(value) < 100 ? 2 : 1;
    const written = String(Number(value.toFixed(digits)));
    return written === "-0" ? "0" : written.replace("-", "−");
  };
  const mix = (low, high, share) => low.map((one, index) => Math.round(one + (high[index] - one) * share));
  const grey = value => mix([0, 0, 0], [255, 255, 255], value / 255);
  const rgb = colour => `rgb(${colour})`;
  const inkOn = ([red, green, blue]) => 0.3 * red + 0.59 * green + 0.11 * blue > 125 ? "#000" : "#fff";

  function read() {
    const numbers = ["kernel", "stride", "pixels", "height", "width", "sigma"].map(name => {
      const given = field(name).value.trim();
      return [name, given === "" ? NaN : Number(given)];
    });
    const words = ["operator", "padding", "mode"].map(name => [name, field(name).value]);
    return { ...Object.fromEntries(numbers), ...Object.fromEntries(words), weights };
  }

  /* Put settings into the form; an operator first, as the other numbers are its own. */
  function fill(changes) {
    if (changes.operator && changes.operator !== field("operator").value) {
      field("operator").value = changes.operator;
      swap();
    }
    for (const [name, value] of Object.entries(changes)) if (field(name)) field(name).value = value;
    keep();
    if (changes.filter && changes.filter !== OWN) weigh();
  }

  function swap() {
    options(field("padding"), sums.paddings(read()));
    for (const [name, value] of Object.entries(group())) field(name).value = value;
  }

  function keep() {
    const numbers = group();
    for (const name of Object.keys(numbers)) numbers[name] = field(name).value;
  }

  /* The named filter at the size of the window; own weights keep their middle. */
  function weigh() {
    const size = Number(field("kernel").value);
    const [least, most] = sums.LIMITS.kernel;
    if (!(Number.isInteger(size) && size >= least && size <= most)) return;
    const name = field("filter").value;
    const shift = Math.floor((weights.length - 1) / 2) - Math.floor((size - 1) / 2);
    weights = name in sums.FILTERS ? sums.FILTERS[name](size)
      : range(size).map(row => range(size).map(column => weights[row + shift]?.[column + shift] ?? 0));
  }

  function update() {
    stop();
    const settings = read();
    const convolves = sums.convolves(settings);
    const used = {
      filter: convolves, sigma: settings.operator === "weighted",
      pixels: settings.padding === "pixels", mode: convolves && settings.padding !== "valid",
    };
    for (const [name, needed] of Object.entries(used)) field(name).closest("label").hidden = !needed;
    const problem = sums.refusal(settings);
    refuse(settings, problem);
    if (problem) return;
    const { rows } = digits[field("digit").value];
    const image = sums.averagedDown(rows, settings.height, settings.width);
    shown = { settings, image, axes: sums.layOut(settings), outputs: sums.outputMap(image, settings) };
    veiled = false;
    drawInput();
    drawOutput();
    drawPatch();
    drawSizes();
    room();
    const [height, width] = shown.axes;
    go(Math.min(place.row, height.output - 1), Math.min(place.column, width.output - 1));
  }

  function refuse(settings, problem) {
    const box = find(".refusal");
    find(".stage").inert = problem !== null;
    for (const element of form.elements) element.removeAttribute("aria-invalid");
    box.hidden = problem === null;
    if (!problem) return;
    find(".sizes").replaceChildren();
    const { field: name, text: rule } = problem;
    field(name).setAttribute("aria-invalid", "true");
    const value = field(name).value || "nothing";
    box.firstChild.textContent = name in sums.NAMES && !rule.startsWith("a ")
      ? `${sums.NAMES[name]} = ${value}: ${rule}` : rule[0].toUpperCase() + rule.slice(1);
    const buttons = sums.mends(settings).map(({ label, changes }) => button(label, () => {
      fill(changes);
      if (changes.kernel) weigh();
      update();
      field(Object.keys(changes)[0]).focus();
    }));
    box.lastChild.replaceChildren("What would fit:", ...buttons);
  }

  function button(label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", act);
    return made;
  }

  /* One cell of a map as markup: a square and its number, or a hatched place without one. */
  function square(x, y, colour, value) {
    const at = `<rect x="${x}" y="${y}" width="1" height="1"`;
    if (!colour) return `${at} class="beyond"/>${at} fill="url(#explorer-hatch)"/>`;
    const number = text(value);
    return `${at} fill="${rgb(colour)}"/><text x="${x + 0.5}" y="${y + 0.5}"`
      + ` fill="${inkOn(colour)}" class="l${number.length}">${number}</text>`;
  }

  function frame(map, left, top, columns, rows) {
    map.setAttribute("viewBox", `${left} ${top} ${columns} ${rows}`);
    map.dataset.cells = Math.max(columns, rows);
    map.querySelector(".lines").setAttribute("d", range(columns + 1).map(x => `M${left + x} ${top}v${rows}`).join("")
      + range(rows + 1).map(y => `M${left} ${top + y}h${columns}`).join(""));
  }

  function drawInput() {
    const { settings, image, axes } = shown;
    const [height, width] = axes;
    const [rows, columns] = axes.map(axis => axis.before + axis.size + axis.after);
    frame(input, -width.before, -height.before, columns, rows);
    find(".input .cells").innerHTML = range(rows * columns).map(index => {
      const y = Math.floor(index / columns) - height.before, x = index % columns - width.before;
      const { value, inside, exists } = sums.cellAt(image, settings, y, x);
      if (inside) return square(x, y, grey(value), value);
      const mirrored = exists && settings.mode !== "zeros";
      return mirrored ? square(x, y, mix(grey(value), [128, 128, 128], 0.45), value)
        : square(x, y);
    }).join("");
    find(".image-edge").setAttribute("d", `M0 0H${width.size}V${height.size}H0Z`);
    find(".input .quiet").textContent = `${height.size} × ${width.size}`
      + (rows + columns > height.size + width.size ? `, padded to ${rows} × ${columns}` : "");
    input.setAttribute("aria-label", `The digit ${digits[field("digit").value].label}, ${height.size} by ${width.size} pixels`);
    for (const mark of input.querySelectorAll(".mark")) {
      mark.setAttribute("width", width.kernel);
      mark.setAttribute("height", height.kernel);
    }
  }

  function drawOutput() {
    const { outputs } = shown;
    const flat = outputs.flat();
    const reach = Math.max(...flat.map(Math.abs)) || 1;
    const signed = Math.min(...flat) < 0;
    const colour = value => !signed ? mix([0, 0, 0], [255, 255, 255], value / reach)
      : mix([0, 0, 0], value < 0 ? [61, 155, 255] : [255, 138, 31], Math.abs(value) / reach);
    frame(output, 0, 0, outputs[0].length, outputs.length);
    find(".output .cells").innerHTML = outputs.map((row, y) =>
      row.map((value, x) => square(x, y, colour(value), value)).join("")).join("");
    find(".output .quiet").textContent = `${outputs.length} × ${outputs[0].length}`
      + (signed ? "; blue is below 0, orange above" : "");
    for (const mark of output.querySelectorAll(".mark")) {
      mark.setAttribute("width", 1);
      mark.setAttribute("height", 1);
    }
    field("place").max = flat.length - 1;
  }

  /* The cells under the window: their numbers follow in `go`, the weights can be written over. */
  function drawPatch() {
    const { settings } = shown;
    const size = settings.kernel;
    const table = find(".patch");
    table.classList.toggle("small", size > 4);
    table.style.setProperty("--cells", size);
    table.tBodies[0].replaceChildren(...range(size).map(row => {
      const line = document.createElement("tr");
      line.append(...range(size).map(column => {
        const cell = document.createElement("td");
        cell.innerHTML = "<b></b><span class=by></span><span class=term></span>";
        if (settings.operator === "convolution") {
          const box = document.createElement("input");
          Object.assign(box, { value: String(Number(weights[row][column].toFixed(4))), inputMode: "text" });
          box.setAttribute("aria-label", `weight in row ${row + 1}, column ${column + 1}`);
          box.addEventListener("input", () => rewrite(box, row, column));
          const times = document.createElement("i");
          times.textContent = "× ";
          cell.children[1].append(times, box, document.createElement("br"));
        }
        return cell;
      }));
      return line;
    }));
  }

  /* A weight was written over: until it is a number the former one stands. */
  function rewrite(box, row, column) {
    const given = box.value.trim().replace("−", "-").replace(",", ".");
    const legal = given !== "" && Number.isFinite(Number(given)) && Math.abs(Number(given)) <= 1000;
    box.setAttribute("aria-invalid", String(!legal));
    if (!legal) return;
    weights = weights.map(line => [...line]);
    weights[row][column] = Number(given);
    field("filter").value = OWN;
    keep();
    stop();
    choose(null);
    shown.settings = read();
    shown.outputs = sums.outputMap(shown.image, shown.settings);
    drawOutput();
    room();
    go(place.row, place.column);
  }

  function drawSizes() {
    const entries = ["height", "width"].map((name, index) => {
      const axis = shown.axes[index];
      const left = sums.leftOver(axis);
      const notes = [
        axis.before + axis.after ? `padding ${axis.before} before, ${axis.after} behind` : "no padding",
        ...left ? [`the last ${left === 1 ? name === "height" ? "row" : "column" : `${left} ${name === "height" ? "rows" : "columns"}`} in no window`] : [],
      ];
      const line = document.createElement("div");
      line.innerHTML = `<dt>${name}</dt><dd><b>${sums.formula(axis)}</b> <span class="quiet">${notes.join("; ")}</span></dd>`;
      return line;
    });
    find(".sizes").replaceChildren(...entries);
  }

  /* Lay the window at an output's place and show its arithmetic. */
  function go(row, column, aloud = false) {
    place = { row, column };
    const { settings, image, axes, outputs } = shown;
    const [height, width] = axes;
    const top = row * height.stride - height.before, left = column * width.stride - width.before;
    for (const mark of input.querySelectorAll(".mark")) mark.style.transform = `translate(${left}px, ${top}px)`;
    for (const mark of output.querySelectorAll(".mark")) mark.style.transform = `translate(${column}px, ${row}px)`;
    find(".veil").setAttribute("d", veiled
      ? `M${column + 1} ${row}H${width.output}V${row + 1}H${column + 1}ZM0 ${row + 1}H${width.output}V${height.output}H0Z` : "");
    const cells = sums.windowAt(image, axes, settings, row, column);
    const made = sums.outputOf(cells, settings);
    find(".patch").querySelectorAll("td").forEach((cell, index) => tell(cell, cells[index], made, index));
    find(".result").innerHTML = sentence(cells, made);
    find(".hint").textContent = hint(cells);
    const where = `row ${row + 1} of ${height.output}, column ${column + 1} of ${width.output}`;
    const answer = `${where}: ${text(outputs[row][column])}`;
    find(".sums h3").textContent = `Output, row ${row + 1}, column ${column + 1}`;
    field("place").value = row * width.output + column;
    field("place").setAttribute("aria-valuetext", answer);
    output.setAttribute("aria-label", `Output, ${height.output} by ${width.output}; the window is at ${answer}`);
    clearTimeout(said);
    if (aloud) said = setTimeout(() => { find("#explorer-said").textContent = answer; }, 250);
  }

  function tell(cell, { value, inside, exists }, made, index) {
    const { operator } = shown.settings;
    const [pixel, by, term] = cell.children;
    const colour = grey(value);
    cell.className = inside ? index === made.winner ? "winner" : "" : "outside";
    cell.style.background = inside ? rgb(colour) : "";
    cell.style.color = inside ? inkOn(colour) : "";
    pixel.textContent = exists ? text(value) : operator === "max" ? "−∞" : "–";
    const weight = exists && made.weights?.[index];
    if (operator === "weighted") by.innerHTML = exists ? `<i>× </i>${text(weight)}<br>` : "<br>";
    if (operator === "convolution" || operator === "weighted") term.innerHTML = exists ? `<i>= </i>${text(made.terms[index])}` : "";
    if (operator === "l2") term.innerHTML = exists ? `<i>² = </i>${text(made.terms[index])}` : "";
  }

  function sentence(cells, made) {
    const { operator, kernel } = shown.settings;
    const here = cells.filter(cell => cell.exists);
    const value = `<b>${text(made.value)}</b>`;
    const added = (values, most = 9) => values.length > most ? `sum of ${values.length}`
      : values.map((one, index) => `${index ? one < 0 ? " − " : " + " : one < 0 ? "−" : ""}${text(Math.abs(one))}`).join("");
    if (operator === "convolution") {
      return kernel > 3 ? `sum of the ${kernel ** 2} products = ${value}` : `${added(made.terms)} = ${value}`;
    }
    if (operator === "max") return `largest of ${here.length} pixels = ${value}`;
    if (operator === "average") {
      return here.length > 9 ? `${text(made.total)} / ${made.present} = ${value}`
        : `(${added(here.map(cell => cell.value))}) / ${made.present} = ${value}`;
    }
    if (operator === "weighted") {
      return `Σ w·x / Σ w = ${text(made.total)} / ${text(made.present)} = ${value}`;
    }
    return `√ Σ x² = √ ${text(made.total)} = ${value}`;
  }

  function hint(cells) {
    const { operator, mode, kernel } = shown.settings;
    const outside = cells.filter(cell => !cell.inside).length;
    if (operator === "convolution") {
      if (kernel === 1 && weights[0][0] === 0) return "One pixel has no edge: its only weight is 0.";
      return outside ? MODE_HINTS[mode] : "Weights can be written over.";
    }
    if (outside) {
      const what = `${outside} of ${cells.length} places are padding`;
      if (operator === "max") return `${what}: −∞, never the largest.`;
      return `${what}, and not counted.`;
    }
    return {
      max: "The largest pixel is framed.", average: `Each of ${cells.length} pixels has weight 1/${cells.length}.`,
      weighted: "Weights fall with the distance from the window’s centre.", l2: "The root of the sum of squares, not of their mean.",
    }[operator];
  }

  /* Numbers stand in a map's cells where these are large enough. */
  function room() {
    for (const map of [input, output]) {
      map.classList.toggle("roomy", map.clientWidth / map.dataset.cells >= 24);
    }
  }

  function jump(index, aloud = true) {
    const [height, width] = shown.axes;
    const last = height.output * width.output - 1;
    const at = Math.max(0, Math.min(last, index));
    go(Math.floor(at / width.output), at % width.output, aloud);
  }
  const index = () => place.row * shown.axes[1].output + place.column;
  const last = () => shown.axes[0].output * shown.axes[1].output - 1;

  function stop() {
    clearInterval(timer);
    timer = 0;
    const play = find(".play");
    play.textContent = "Play";
  }

  function play() {
    if (timer) { stop(); return; }
    if (index() === last()) jump(0, false);
    veiled = true;
    jump(index(), false);
    find(".play").textContent = "Pause";
    timer = setInterval(() => {
      jump(index() + 1, false);
      if (index() === last()) stop();
    }, 1000 / Number(field("speed").value));
  }

  const MOVES = {
    first: () => { stop(); jump(0); },
    back: () => { stop(); jump(index() - 1); },
    on: () => { stop(); jump(index() + 1); },
    play,
  };
  const KEYS = {
    ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
  };

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [height, width] = shown.axes;
    const step = KEYS[event.key];
    if (step) {
      stop();
      const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
      go(clamp(place.row + step[0], height.output), clamp(place.column + step[1], width.output), true);
    } else if (event.key === "Home") MOVES.first();
    else if (event.key === "End") { stop(); jump(last()); }
    else if (event.key === " ") play();
    else return;
    event.preventDefault();
  }

  /* The output's place under a pointer: the cell itself, or the window whose middle is nearest. */
  function point(map, event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const places = [at.y, at.x].map((where, side) => {
      const axis = shown.axes[side];
      const position = map === output ? Math.floor(where)
        : Math.round((where + axis.before - axis.kernel / 2) / axis.stride);
      return Math.max(0, Math.min(axis.output - 1, position));
    });
    stop();
    veiled = false;
    go(...places, true);
  }

  for (const map of [input, output]) {
    map.addEventListener("pointerdown", event => {
      map.setPointerCapture(event.pointerId);
      point(map, event);
    });
    map.addEventListener("pointermove", event => { if (event.buttons) point(map, event); });
  }
  output.addEventListener("keydown", press);
  find(".buttons").addEventListener("click", event => MOVES[event.target.dataset.move]?.());
  field("speed").addEventListener("change", () => { if (timer) { stop(); play(); } });
  field("place").addEventListener("input", event => { stop(); veiled = false; jump(Number(event.target.value)); });
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", event => {
    const { name } = event.target;
    if (name === "operator") swap();
    keep();
    if (["filter", "kernel", "operator"].includes(name)) weigh();
    choose(null);
    update();
  });
  new ResizeObserver(room).observe(find(".stage"));

  /* Mark the example that is shown, if any, and say what to look at. */
  function choose(number) {
    find(".scenes").childNodes.forEach((made, at) => made.setAttribute("aria-pressed", String(at === number)));
    find("#explorer-scene").textContent = number === null ? "These are settings of your own." : SCENES[number][1];
  }

  function open(number) {
    fill({ height: 28, width: 28, ...SCENES[number][2] });
    choose(number);
    update();
    // Begin where there is much to see.
    const looked = SCENES[number][0] === "Border" ? shown.outputs[0] : shown.outputs.flat();
    const sizes = looked.map(Math.abs);
    jump(sizes.indexOf(Math.max(...sizes)), false);
  }

  options(field("filter"), [...Object.keys(sums.FILTERS), OWN]);
  options(field("mode"), sums.MODES);
  field("digit").replaceChildren(...digits.map(({ label, training_index }, at) =>
    new Option(`a ${label} (no. ${training_index})`, at)));
  find(".scenes").replaceChildren(...SCENES.map(([label], number) => button(label, () => open(number))));
  find("#explorer-source").textContent = `Pixels are whole numbers from 0 (black) to 255; the networks see them divided by 255. The digits are numbers ${digits.map(digit => digit.training_index).join(" and ")} of MNIST’s training images, counted from 0; a smaller input is the whole digit averaged down. Filters are not flipped: like every such library this is, strictly, a cross-correlation, and without bias.`;
  field("speed").value = still ? "1" : "12";
  root.hidden = false;
  swap();
  open(0);
})();
