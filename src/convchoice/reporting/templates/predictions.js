/* Predict first: a study's answers open when the reader has predicted each of its differences. */
(() => {
  const PART = "predict", WORDS = { b: "better", s: "same", w: "worse" };
  const box = document.querySelector("[name=predict]");
  const studies = [...document.querySelectorAll("section.study[data-study]")].map(section => ({
    name: section.dataset.study, section, rows: [...section.querySelectorAll(".contrasts li")], guesses: [],
  }));
  const cards = name => document.querySelectorAll(`[data-study="${name}"], [data-answers="${name}"]`);

  function show({ name, rows, guesses }) {
    rows.forEach((row, at) => {
      row.classList.toggle("predicted", guesses[at] in WORDS);
      row.querySelector(".prediction b").textContent = WORDS[guesses[at]] ?? "";
    });
    const open = rows.every((_, at) => guesses[at] in WORDS);
    for (const card of cards(name)) card.classList.toggle("closed", box.checked && !open);
  }

  function showAll() {
    document.body.classList.toggle("predicting", box.checked);
    studies.forEach(show);
  }

  function remember() {
    const made = studies.filter(({ guesses }) => guesses.length).map(
      ({ name, rows, guesses }) => [name, rows.map((_, at) => guesses[at] ?? "-").join("")]);
    pageState.write(PART, box.checked ? { on: 1, ...Object.fromEntries(made) } : {}, "answers");
  }

  for (const study of studies) {
    study.rows.forEach((row, at) => row.querySelector(".prediction").addEventListener("click", ({ target }) => {
      if (!target.dataset.guess) return;
      study.guesses[at] = target.dataset.guess;
      show(study);
      remember();
    }));
  }
  box.addEventListener("change", () => {
    for (const study of studies) study.guesses = [];
    showAll();
    remember();
  });
  const saved = pageState.read(PART);
  box.checked = saved?.on === "1";
  if (saved) for (const study of studies) study.guesses = [...saved[study.name] ?? ""];
  showAll();
})();
