// Collects decisions, filters the queue, and saves the decisions as a file. Nothing leaves the page but that file.
"use strict";
(() => {
  const root = document.querySelector(".audit");
  const bar = root && root.querySelector(".audit-bar");
  if (!bar) return;
  const labels = JSON.parse(root.dataset.labels);
  const entries = [...root.querySelectorAll(".audit-entry")];
  const choices = [...bar.querySelectorAll("select")];
  const seen = bar.querySelector(".audit-seen");
  const save = bar.querySelector(".audit-save");
  let unsaved = false;

  const decision = (entry) => {
    const chosen = entry.querySelector("input:checked");
    if (!chosen) return null;
    const path = JSON.parse(entry.dataset.path);
    if (chosen.value !== "relabel") return { path, decision: chosen.value, label: null };
    const number = entry.querySelector("select").value;
    return number === "" ? null : { path, decision: "relabel", label: labels[Number(number)] };
  };
  const decided = () => entries.map(decision).filter((one) => one !== null);

  const fits = {
    given: (entry, value) => entry.dataset.given === value,
    kinds: (entry, value) => entry.dataset.kinds.split(" ").includes(value),
    state: (entry, value) => (decision(entry) !== null) === (value === "done"),
  };
  const count = () => {
    const done = decided().length;
    const shown = entries.filter((entry) => !entry.hidden).length;
    seen.textContent = `${shown} shown · ${done} of ${entries.length} decided`;
    save.disabled = done === 0;
    save.textContent = done ? `Save ${done} decision${done === 1 ? "" : "s"}` : "Save decisions";
  };
  const filter = () => {
    for (const entry of entries) {
      const shown = choices.every((choice) => !choice.value || fits[choice.dataset.filter](entry, choice.value));
      entry.hidden = !shown;
      entry.querySelector("figure").hidden = !shown;
    }
    count();
  };

  bar.addEventListener("change", filter);
  root.querySelector(".audit-entries").addEventListener("change", (event) => {
    const entry = event.target.closest(".audit-entry");
    if (event.target.tagName === "SELECT" && event.target.value !== "") entry.querySelector("[value=relabel]").checked = true;
    const one = decision(entry);
    if (one) entry.dataset.decision = one.decision;
    else entry.dataset.decision = "unfinished";
    unsaved = true;
    count();
  });
  save.addEventListener("click", () => {
    const words = JSON.stringify({ decisions: decided() }, null, 2) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([words], { type: "application/json" }));
    link.download = "decisions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    unsaved = false;
  });
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  bar.hidden = false;
  filter();
})();
