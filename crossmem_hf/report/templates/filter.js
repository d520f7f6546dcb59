// Rows of all tables of numbers with a word that begins with each word sought; with none, all is folded as before.
(() => {
  const box = document.getElementById("words"), said = document.getElementById("found");
  const sections = [...document.querySelectorAll("details.listed")];
  const rows = sections.flatMap((section) =>
    [...section.querySelectorAll("tbody tr")].map((row) => {
      const cells = [...row.children].map((cell) => cell.textContent);
      return { section, row, text: ["", section.dataset.metric, ...cells].join(" ").toLowerCase() };
    }),
  );
  const before = sections.map((section) => section.open);
  box.closest(".filter").hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = rows.filter(({ row, text }) => !(row.hidden = !words.every((word) => text.includes(` ${word}`))));
    const shown = new Set(kept.map(({ section }) => section));
    sections.forEach((section, at) => {
      section.hidden = !shown.has(section);
      section.open = words.length ? shown.has(section) : before[at];
    });
    said.textContent = words.length ? `${kept.length} of ${rows.length} rows` : "";
  });
})();
