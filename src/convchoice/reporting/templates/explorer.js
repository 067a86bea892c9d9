/* The explorer on the page: its controls and the moves of the window. It makes no request. */
(() => {
  const sums = explorerArithmetic, text = explorerText, maps = explorerMaps;
  const { range } = sums;
  const root = document.getElementById("explorer");
  const find = selector => root.querySelector(selector);
  const form = find("form"), input = find(".input svg"), output = find(".output svg");
  const field = name => find(`[name="${name}"]`);
  const CUSTOM = "custom";
  // Settings that an example does not set.
  const DEFAULTS = {
    operator: "convolution", height: 28, width: 28, stride: 1, padding: "valid", mode: "zeros", sigma: 1,
  };
  const SCENES = [
    ["Edges", "With − on the left and + on the right, dark to bright is orange, bright to dark is violet, and flat ground is 0.",
      { filter: "vertical edges", kernel: 3 }],
    ["By hand", "Small enough to check every number by hand, with padding that keeps the size.",
      { filter: "outline", kernel: 3, padding: "same", height: 9, width: 8 }],
    ["Max pooling", "With stride 2, 2×2 windows see no pixel twice, and each side is halved.",
      { operator: "max", kernel: 2, stride: 2 }],
    ["Even kernel", "To keep the size, a 4×4 kernel needs 3 more pixels an axis: 1 goes before and 2 behind, so the picture moves half a pixel.",
      { filter: "blur", kernel: 4, padding: "same", height: 10, width: 10 }],
    ["Remainder", "Stride 2 makes 13 of 28, not 14: the formula rounds down, and the last row and column are in no window.",
      { operator: "average", kernel: 3, stride: 2 }],
    ["Border", "Padding is never counted: at the border the weights of the pixels that exist are brought back to a sum of 1.",
      { operator: "weighted", kernel: 4, stride: 2, padding: "pixels", pixels: 1, height: 10, width: 10 }],
    ["Full padding", "With f − 1 on each side every pixel is in equally many windows, and the output is larger than the input.",
      { filter: "blur", kernel: 5, padding: "full", height: 14, width: 14 }],
  ];
  const digits = JSON.parse(document.getElementById("explorer-digits").textContent).digits.map(digit => {
    const pixels = sums.bytes(digit.pixels);
    return { ...digit, rows: range(28).map(row => Array.from(pixels.subarray(28 * row, 28 * row + 28))) };
  });
  // As in a configuration, convolution and pooling have separate settings.
  const convolution = { kernel: 3, stride: 1, padding: "valid", pixels: 1, mode: "zeros", filter: "vertical edges" };
  const pooling = { kernel: 2, stride: 2, padding: "valid", pixels: 1 };
  const numbers = () => sums.convolves(read()) ? convolution : pooling;

  // What is shown: { settings, axes, image, outputs }.
  let shown = null;
  let row = 0, column = 0, timer = 0, veiled = false, announcement = 0;
  let weights = [[1]];
  const STATE = ["operator", "filter", "kernel", "stride", "padding", "pixels", "mode", "digit", "height",
    "width", "sigma"];
  let started = false;

  const options = (select, values) =>
    select.replaceChildren(...values.map(value => new Option(value, value)));

  function button(label, act) {
    const made = document.createElement("button");
    made.textContent = label;
    made.addEventListener("click", act);
    return made;
  }

  function read() {
    const written = name => field(name).value.trim();
    const number = name => [name, written(name) === "" ? NaN : Number(written(name))];
    return {
      ...Object.fromEntries(["kernel", "stride", "pixels", "height", "width", "sigma"].map(number)),
      operator: written("operator"), padding: written("padding"), mode: written("mode"), weights,
    };
  }

  /* Show the settings of the selected operator. */
  function showSettings() {
    options(field("padding"), sums.paddings(read()));
    for (const [name, value] of Object.entries(numbers())) field(name).value = value;
  }

  function keepSettings() {
    for (const name of Object.keys(numbers())) numbers()[name] = field(name).value;
  }

  /* Compute the selected filter at the window's size; custom weights stay centred. */
  function computeWeights() {
    const settings = read(), size = settings.kernel;
    if (!sums.convolves(settings) || sums.refusal({ ...settings, ...sums.FALLBACK, kernel: size })) return;
    const shift = Math.floor((weights.length - 1) / 2) - Math.floor((size - 1) / 2);
    const made = sums.FILTERS[field("filter").value];
    weights = made ? made(size) : range(size).map(
      y => range(size).map(x => weights[y + shift]?.[x + shift] ?? 0));
  }

  /* Put settings into the form, the operator first, since it selects which ones apply. */
  function fill(changes) {
    if (changes.operator) {
      field("operator").value = changes.operator;
      showSettings();
    }
    for (const [name, value] of Object.entries(changes)) field(name).value = value;
    keepSettings();
    computeWeights();
    update();
    remember();
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
    const digit = digits[field("digit").value];
    const image = sums.averagedDown(digit.rows, settings.height, settings.width);
    shown = { image, axes: sums.layOut(settings) };
    find(".input .quiet").textContent = maps.drawInput(input, { ...shown, settings });
    input.setAttribute("aria-label", `The digit ${digit.label}, ${settings.height} by ${settings.width} pixels`);
    drawPatch(settings);
    find(".sizes").innerHTML = shown.axes.map((axis, side) =>
      `<div><dt>${["height", "width"][side]}</dt><dd><b>${sums.formula(axis)}</b> <span class="quiet">`
      + `${text.layout(axis, ["row", "column"][side])}</span></dd></div>`).join("");
    find(".same").hidden = settings.padding !== "same";
    find(".same tbody").innerHTML = sums.sameElsewhere(shown.axes[0]).map(([library, made]) =>
      `<tr><th scope="row">${library}</th>${text.sameCells(made).map(cell => `<td>${cell}</td>`).join("")}</tr>`
    ).join("");
    compute();
  }

  /* Compute the outputs with the current weights. */
  function compute() {
    rest();
    shown.settings = read();
    shown.outputs = sums.outputMap(shown.image, shown.settings);
    find(".output .quiet").textContent = maps.drawOutput(output, shown);
    field("place").max = last();
    room();
    go(row, column);
  }

  function refuse(settings, problem) {
    find(".stage").inert = problem !== null;
    find(".refusal").hidden = problem === null;
    for (const element of form.elements) element.removeAttribute("aria-invalid");
    if (!problem) return;
    find(".sizes").replaceChildren();
    const wrong = field(problem.field);
    wrong.setAttribute("aria-invalid", "true");
    find(".refusal p").textContent = text.refusal(problem, wrong.value);
    find(".refusal .scenes").replaceChildren("Valid settings nearby:", ...sums.suggestions(settings).map(
      ({ label, changes }) => button(label, () => {
        fill(changes);
        field(Object.keys(changes)[0]).focus();
      })));
  }

  /* Create the cells under the window, with editable weights; `go` fills in their numbers. */
  function drawPatch({ kernel, operator }) {
    const table = find(".patch");
    table.classList.toggle("small", kernel > 4);
    table.style.setProperty("--cells", kernel);
    const weight = (y, x) => `<i>× </i><input value="${Number(weights[y][x].toFixed(4))}"`
      + ` aria-label="weight in row ${y + 1}, column ${x + 1}"><br>`;
    table.tBodies[0].innerHTML = range(kernel).map(y => `<tr>${range(kernel).map(x =>
      `<td><b></b><span>${operator === "convolution" ? weight(y, x) : ""}</span><span></span></td>`
    ).join("")}</tr>`).join("");
    table.querySelectorAll("input").forEach((box, at) => box.addEventListener(
      "input", () => rewrite(box, Math.floor(at / kernel), at % kernel)));
  }

  /* A weight was edited: the previous one is used until the new one is a number. */
  function rewrite(box, y, x) {
    const given = box.value.trim().replace("−", "-").replace(",", ".");
    const legal = given !== "" && Math.abs(Number(given)) <= 1000;
    box.setAttribute("aria-invalid", String(!legal));
    if (!legal) return;
    weights = weights.map(line => [...line]);
    weights[y][x] = Number(given);
    field("filter").value = CUSTOM;
    keepSettings();
    choose(null);
    compute();
    remember();
  }

  const last = () => shown.axes[0].output * shown.axes[1].output - 1;
  const index = () => row * shown.axes[1].output + column;

  /* Move the window to an output, or to the nearest one that exists, and show its arithmetic. */
  function go(toRow, toColumn, announce = false) {
    const { settings, image, axes, outputs } = shown;
    const [height, width] = axes;
    const clamp = (value, axis) => Math.max(0, Math.min(axis.output - 1, value));
    row = clamp(toRow, height);
    column = clamp(toColumn, width);
    maps.mark(input, column * width.stride - width.before, row * height.stride - height.before);
    maps.mark(output, column, row);
    find(".veil").setAttribute("d", veiled ? `M${column + 1} ${row}H${width.output}V${row + 1}H${column + 1}Z`
      + `M0 ${row + 1}H${width.output}V${height.output}H0Z` : "");
    const cells = sums.windowAt(image, axes, settings, row, column);
    const made = sums.outputOf(cells, settings);
    root.querySelectorAll(".patch td").forEach((cell, at) => showCell(cell, cells[at], made, at));
    find(".result span").textContent = `${text.sentence(settings, cells, made)} = `;
    find(".result b").textContent = text.number(made.value);
    find(".hint").textContent = text.hint(settings, cells);
    find(".sums h3").textContent = `Output, row ${row + 1}, column ${column + 1}`;
    const place = `row ${row + 1} of ${height.output}, column ${column + 1} of ${width.output}:`
      + ` ${text.number(outputs[row][column])}`;
    field("place").value = index();
    field("place").setAttribute("aria-valuetext", place);
    output.setAttribute("aria-label",
      `Output, ${height.output} by ${width.output}; the window is at ${place}`);
    if (announce) remember();
    clearTimeout(announcement);
    if (announce) announcement = setTimeout(() => { find("#explorer-announced").textContent = place; }, 250);
  }

  function showCell(cell, { value, inside, exists }, { winner, weights: factors, terms }, at) {
    const { operator } = shown.settings;
    const [pixel, by, term] = cell.children;
    const colour = maps.grey(value);
    cell.className = inside ? at === winner ? "winner" : "" : "outside";
    cell.style.background = inside ? maps.rgb(colour) : "";
    cell.style.color = inside ? maps.inkOn(colour) : "";
    pixel.textContent = exists ? text.number(value) : operator === "max" ? "−∞" : "–";
    if (operator === "max" || operator === "average") return;
    if (operator === "weighted") by.innerHTML = exists ? `<i>× </i>${text.number(factors[at])}<br>` : "<br>";
    term.innerHTML = exists ? `<i>${operator === "l2" ? "² " : ""}= </i>${text.number(terms[at])}` : "";
  }

  const room = () => [input, output].forEach(maps.room);

  function jump(to, announce = true) {
    const at = Math.max(0, Math.min(last(), to));
    const across = shown.axes[1].output;
    go(Math.floor(at / across), at % across, announce);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    find(".stage").classList.remove("playing");
    find(".play").textContent = "Play";
  }

  function rest() {
    stop();
    veiled = false;
  }

  /* Move through all outputs; those that follow are veiled. */
  function play() {
    if (timer) { stop(); return; }
    veiled = true;
    // An animated mark would lag behind the numbers.
    find(".stage").classList.add("playing");
    jump(index() === last() ? 0 : index(), false);
    find(".play").textContent = "Pause";
    timer = setInterval(() => {
      jump(index() + 1, false);
      if (index() === last()) stop();
    }, 1000 / Number(field("speed").value));
  }

  /* Keep the settings and the window's place in the address. */
  function remember() {
    if (!started) return;
    const used = STATE.filter(name => !field(name).closest("label").hidden);
    const own = field("filter").value === CUSTOM ? { weights: JSON.stringify(weights) } : {};
    pageState.write("try-it", {
      ...Object.fromEntries(used.map(name => [name, field(name).value])), place: index(), ...own });
  }

  /* The settings that the address holds; false if there are none. */
  function restore() {
    const saved = pageState.read("try-it");
    if (!saved) return false;
    const known = STATE.filter(name => name in saved && (!field(name).options
      || name === "padding" || [...field(name).options].some(option => option.value === saved[name])));
    try {
      const given = JSON.parse(saved.weights ?? "[[1]]");
      if (given.every(line => line.every(Number.isFinite))) weights = given;
    } catch { /* no rows of numbers */ }
    choose(null);
    fill(Object.fromEntries(known.map(name => [name, saved[name]])));
    if (shown) jump(Number(saved.place) || 0, false);
    if (pageState.asksFor("try-it")) root.closest("section").scrollIntoView();
    return true;
  }

  const step = (down, across) => () => { stop(); go(row + down, column + across, true); };
  const MOVES = {
    first: () => { stop(); jump(0); },
    back: () => { stop(); jump(index() - 1); },
    on: () => { stop(); jump(index() + 1); },
    play,
  };
  const KEYS = {
    ArrowLeft: step(0, -1), ArrowRight: step(0, 1), ArrowUp: step(-1, 0), ArrowDown: step(1, 0),
    Home: MOVES.first, End: () => { stop(); jump(last()); }, " ": play,
  };

  /* Move to the output under a pointer: its cell, or the window with the nearest middle. */
  function point(map, event) {
    const at = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(map.getScreenCTM().inverse());
    const places = [at.y, at.x].map((where, side) => {
      const axis = shown.axes[side];
      return map === output ? Math.floor(where)
        : Math.round((where + axis.before - axis.kernel / 2) / axis.stride);
    });
    rest();
    go(...places, true);
  }

  /* Mark the example that is shown, if any, with its hint. */
  function choose(number) {
    find(".scenes").childNodes.forEach(
      (made, at) => made.setAttribute("aria-pressed", String(at === number)));
    find("#explorer-scene").textContent = SCENES[number]?.[1] ?? "Custom settings.";
  }

  /* Start an example at an informative window: a large output, or one with mixed pixels. */
  function open(number) {
    const [label, , settings] = SCENES[number];
    choose(number);
    fill({ ...DEFAULTS, ...settings });
    const sizes = (label === "Border" ? shown.outputs[0] : shown.outputs.flat()).map(Math.abs);
    const goal = Math.max(...sizes) * (sums.convolves(shown.settings) ? 1 : 0.6);
    const gaps = sizes.map(size => Math.abs(size - goal));
    jump(gaps.indexOf(Math.min(...gaps)), false);
  }

  for (const map of [input, output]) {
    map.addEventListener("pointerdown", event => {
      map.setPointerCapture(event.pointerId);
      point(map, event);
    });
    map.addEventListener("pointermove", event => { if (event.buttons) point(map, event); });
  }
  output.addEventListener("keydown", event => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  find(".buttons").addEventListener("click", event => MOVES[event.target.dataset.move]?.());
  field("speed").addEventListener("change", () => { if (timer) { stop(); play(); } });
  field("place").addEventListener("input", () => { rest(); jump(Number(field("place").value)); });
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("input", event => {
    if (event.target.name === "operator") showSettings();
    choose(null);
    fill({});
  });
  new ResizeObserver(room).observe(find(".stage"));

  options(field("filter"), [...Object.keys(sums.FILTERS), CUSTOM]);
  options(field("mode"), sums.MODES);
  field("digit").replaceChildren(...digits.map(
    ({ label, training_index }, at) => new Option(`${label} (no. ${training_index})`, at)));
  find(".scenes").replaceChildren(...SCENES.map(([label], at) => button(label, () => open(at))));
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) field("speed").value = "1";
  root.hidden = false;
  if (!restore()) open(0);
  started = true;
})();
