// Follows one work by its events. Each carries the whole state, so that one that is missed is no loss.
"use strict";

const work = document.getElementById("work");
const state = document.getElementById("state");
const bar = document.getElementById("bar");
const note = document.getElementById("note");

function show(told) {
  const word = told.state[0] + told.state.slice(1).toLowerCase();
  if (state.textContent !== word) {
    state.textContent = word;
    state.className = `state ${told.state.toLowerCase()}`;
    document.title = document.title.replace(/^\w+/, word);
  }
  for (const time of document.querySelectorAll("time[data-field]")) {
    const at = told[time.dataset.field];
    time.textContent = at ? `${at.slice(0, 10)} ${at.slice(11, 19)} UTC` : "–";
  }
  const { done, total, note: text } = told.progress ?? {};
  if (total) {
    bar.max = total;
    bar.value = done;
  } else if (told.state === "RUNNING") {
    bar.removeAttribute("value"); // it moves, nobody knows how far
  } else {
    bar.value = 0;
  }
  const short = (number) => Number(number.toPrecision(6)).toString();
  const far = done === undefined ? "" : short(done) + (total == null ? "" : ` of ${short(total)}`);
  note.textContent = [far, text].filter(Boolean).join(" · ");
}

const events = new EventSource(work.dataset.events);
for (const kind of ["state", "progress"]) {
  events.addEventListener(kind, (event) => show(JSON.parse(event.data)));
}
events.addEventListener("outcome", () => {
  events.close();
  location.reload(); // the result or the error is the server's to show
});
