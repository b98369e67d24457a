// Opens pictures large, filters galleries and series, follows the reader in the contents. The page reads well without it.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const element = (name, kind, words) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (words) made.textContent = words;
    return made;
  };

  // Pictures, large.
  const box = document.querySelector(".lightbox");
  let row = [];
  let at = 0;
  const turn = (step) => { at = (at + step + row.length) % row.length; show(); };
  const control = (kind, sign, label, act) => {
    const button = element("button", kind, sign);
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  };
  const show = () => {
    const figure = row[at].closest("figure");
    const stage = element("div", "stage");
    for (const part of row[at].children) stage.append(part.cloneNode(true));
    const words = element("div", "words");
    for (const part of figure.querySelector("figcaption").childNodes) words.append(part.cloneNode(true));
    box.replaceChildren(stage, words, control("close", "×", "Close", () => box.close()));
    if (row.length > 1) {
      box.append(control("back", "‹", "Previous picture", () => turn(-1)));
      box.append(control("on", "›", "Next picture", () => turn(1)));
    }
  };
  document.addEventListener("click", (event) => {
    const zoom = event.target.closest(".zoom");
    if (!zoom) return;
    const seen = (button) => !button.closest("figure").hidden;
    row = all(".zoom", zoom.closest(".pairs, .gallery") || document).filter(seen);
    at = row.indexOf(zoom);
    show();
    box.showModal();
  });
  box.addEventListener("click", (event) => { if (event.target.closest(".stage") || event.target === box) box.close(); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });

  // Galleries, filtered.
  for (const bar of all(".filters")) {
    bar.hidden = false;
    const shots = all("figure", bar.parentElement);
    bar.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (!chosen) return;
      for (const button of all("button", bar)) button.setAttribute("aria-pressed", String(button === chosen));
      const value = chosen.dataset.value;
      for (const shot of shots) shot.hidden = Boolean(value) && shot.dataset[bar.dataset.key] !== value;
    });
  }

  // One class of the feature map alone.
  for (const legend of all(".legend.series")) {
    const groups = all(".dots", legend.parentElement);
    const buttons = all("button", legend);
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
    legend.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (!chosen) return;
      const on = chosen.getAttribute("aria-pressed") !== "true";
      for (const button of buttons) button.setAttribute("aria-pressed", String(on && button === chosen));
      for (const group of groups) group.classList.toggle("away", on && group.dataset.series !== chosen.dataset.series);
    });
  }

  // Outlines and theme.
  const tools = document.querySelector(".tools");
  const add = (words, act) => {
    const button = element("button", "", words);
    button.type = "button";
    button.addEventListener("click", () => act(button));
    tools.append(button);
  };
  if (document.querySelector(".outline")) {
    add("Hide outlines", (button) => {
      const bare = document.body.classList.toggle("bare");
      button.textContent = bare ? "Show outlines" : "Hide outlines";
    });
  }
  const night = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (document.documentElement.dataset.theme || (night.matches ? "dark" : "light")) === "dark";
  add(dark() ? "Light theme" : "Dark theme", (button) => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    button.textContent = dark() ? "Light theme" : "Dark theme";
  });
  tools.hidden = false;

  // Where the reader is.
  const links = new Map(all("nav li a").map((link) => [link.hash.slice(1), link]));
  const sections = all("main > section");
  const follow = () => {
    const reached = sections.filter((section) => section.getBoundingClientRect().top < innerHeight * 0.3);
    const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const current = end && scrollY > 0 ? sections.at(-1) : reached.at(-1);
    for (const [id, link] of links) {
      if (current && id === current.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", follow, { passive: true });
  follow();
})();
