"use strict";
// What a served page does while a run goes on: states, counts and curves change in place; at its end the page is
// fetched anew. Texts stay texts.
(() => {
  let stream = null;
  const url = document.body.dataset.live;
  const refreshed = "refreshed" in document.body.dataset;

  function show(element, state, sign, text) {
    if (!element) return;
    const classes = element.getAttribute("class").split(" ").filter(name => !element.dataset.state || name !== element.dataset.state);
    element.dataset.state = state;
    for (const name of ["waiting", "queued", "running", "done", "reused", "adopted", "failed", "skipped", "stopped"]) {
      const at = classes.indexOf(name);
      if (at >= 0) classes.splice(at, 1);
    }
    element.setAttribute("class", [...classes, state].join(" "));
    const words = element.tagName === "g" ? element.querySelector("text.state") : element;
    words.textContent = `${sign} ${text}`;
  }

  // The elements by what they show the state of: to look for each on a page of thousands would take seconds.
  let places = null;
  function shown(what) {
    if (!places) {
      places = new Map();
      for (const element of document.querySelectorAll("[data-step], [data-node]")) {
        const { step, node } = element.dataset;
        const key = step === undefined ? `node ${node}` : `step ${step}`;
        places.set(key, [...places.get(key) ?? [], element]);
      }
    }
    return places.get(what) ?? [];
  }

  function take(event) {
    const news = JSON.parse(event.data);
    for (const [step, state, sign, text] of news.steps)
      for (const element of shown(`step ${step}`)) show(element, state, sign, text);
    for (const [node, state, sign, text] of news.nodes)
      for (const element of shown(`node ${node}`)) show(element, state, sign, text);
    for (const [id, points] of news.points)
      if (!(window.charts || []).some(chart => chart.add(id, points))) news.anew = true;
    const tally = document.getElementById("tally");
    if (tally) tally.textContent = news.tally;
    if (news.ended || news.anew) again();
  }

  // Fetches the page and puts its content in place of this one's, where nobody types or has moved on.
  let busy = false;
  async function again() {
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = new Set([...document.querySelectorAll("details[open]")].map(one => one.id));
      const checked = new Set([...document.querySelectorAll("input[name=run]:checked")].map(one => one.value));
      const main = document.adoptNode(fresh.querySelector("main"));
      for (const one of main.querySelectorAll("details")) if (one.id && open.has(one.id)) one.open = true;
      for (const one of main.querySelectorAll("input[name=run]")) one.checked = checked.has(one.value);
      const [x, y] = [scrollX, scrollY];
      document.querySelector("main").replaceWith(main);
      places = null;
      document.title = fresh.title;
      window.igptFlow.start();
      scrollTo(x, y);
      if (!fresh.body.dataset.live) close();
    } catch { /* The server has gone; the page stays as it is. */ } finally { busy = false; }
  }

  function close() { if (stream) { stream.close(); stream = null; } }
  function open() {
    if (!url || stream || document.hidden || !document.querySelector("[data-running]")) return;
    stream = new EventSource(url);
    stream.addEventListener("message", take);
  }
  // A browser has few connections to one server: pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); return; }
    if (url) again();
    open();
  });
  open();
  // The more a look costs, the rarer it is.
  async function look() {
    const isTyping = ["INPUT", "SELECT"].includes(document.activeElement?.tagName) && document.activeElement.type !== "checkbox";
    const began = performance.now();
    if (!document.hidden && !isTyping) await again();
    setTimeout(look, Math.max(3000, 20 * (performance.now() - began)));
  }
  if (refreshed) setTimeout(look, 3000);
})();
