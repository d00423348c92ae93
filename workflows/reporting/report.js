"use strict";
// Without this the page shows both pictures side by side and every page: what a printer gets, too.
document.documentElement.classList.add("js");

for (const figure of document.querySelectorAll(".compare")) {
  const slider = figure.querySelector("input");
  const move = () => {
    figure.style.setProperty("--split", slider.value + "%");
    slider.setAttribute("aria-valuetext", `${slider.value} % before, ${100 - slider.value} % after`);
  };
  slider.addEventListener("input", move);
  move();
}

const choices = [...document.querySelectorAll("input[name=show]")];
const told = document.getElementById("shown");
const large = document.getElementById("large");

function filter() {
  const wanted = choices.find((choice) => choice.checked).value;
  const fits = (part) => wanted === "all" || part.dataset.groups.split(" ").includes(wanted);
  let shown = 0;
  let all = 0;
  for (const section of document.querySelectorAll(".document")) {
    const pages = section.querySelectorAll("[data-groups]");
    let some = 0;
    for (const page of pages) {
      page.hidden = !fits(page);
      some += page.hidden ? 0 : 1;
    }
    for (const table of section.querySelectorAll(".wide")) {
      table.hidden = !table.querySelector("tr[data-groups]:not([hidden])");
    }
    section.hidden = pages.length ? some === 0 : !fits(section);
    shown += some;
    all += pages.length;
  }
  told.textContent = `${shown} of ${all} pages shown`;
}

function reveal() {
  // a link to a page that the filter hides shows all pages again
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.closest("[hidden]")) {
    choices[0].checked = true;
    filter();
    target.scrollIntoView();
  }
}

if (choices.length) {
  choices.forEach((choice) => choice.addEventListener("change", filter));
  large.addEventListener("change", () => document.body.classList.toggle("large", large.checked));
  addEventListener("hashchange", reveal);
  filter();
}
