"use strict";
(() => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const root = document.documentElement;
  const keep = (write) => { try { return write ? localStorage.setItem("secnetmon-theme", write) : localStorage.getItem("secnetmon-theme"); } catch { return null; } };

  // Light or dark: what the system says, until a person chooses.
  const theme = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const show = (choice) => {
    if (choice === "light" || choice === "dark") root.dataset.theme = choice;
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  };
  show(keep());
  theme.addEventListener("click", () => { const next = isDark() ? "light" : "dark"; keep(next); show(next); });
  document.getElementById("print").addEventListener("click", () => print());
  all(".tools, .toolbar").forEach((e) => { e.hidden = false; });

  // Tables: a heading sorts, a field filters.
  const value = (row, i) => { const cell = row.cells[i]; return cell.dataset.v ?? cell.textContent.trim(); };
  all("table.data").forEach((table) => {
    const body = table.tBodies[0];
    const heads = all("thead th", table);
    heads.forEach((head, i) => {
      if (body.rows.length < 2) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("num") || head.dataset.sort === "number";
        const was = head.getAttribute("aria-sort");
        const down = was === "none" ? numbers : was === "ascending";
        heads.forEach((h) => h.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = [...body.rows].map((row) => [value(row, i), row]);
        order.sort(([a], [b]) => {
          if (a === "" || b === "") return (a === "") - (b === "");
          const d = numbers ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
          return down ? -d : d;
        });
        body.append(...order.map(([, row]) => row));
      });
    });
    const field = document.querySelector(`input[data-for="${table.id}"]`);
    if (!field) return;
    const said = document.getElementById(`${table.id}-said`);
    field.hidden = false;
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of body.rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((w) => text.includes(w));
        n += !row.hidden;
      }
      said.textContent = words.length ? `${n} of ${body.rows.length} rows match` : "";
    });
  });

  // Groups of findings: a link into one opens it; printing opens all.
  const groups = all("details.group");
  const open = (yes) => groups.forEach((g) => { g.open = yes; });
  document.getElementById("open-all")?.addEventListener("click", () => open(true));
  document.getElementById("close-all")?.addEventListener("click", () => open(false));
  const follow = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const group = target && target.closest("details");
    if (group && !group.open) { group.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", follow);
  follow();
  let before = [];
  addEventListener("beforeprint", () => { before = groups.map((g) => g.open); open(true); });
  addEventListener("afterprint", () => groups.forEach((g, i) => { g.open = before[i]; }));
})();
