"use strict";
// The page reads without this. It adds: charts with a log scale, a range and smoothing; filters of long lists;
// details that open where a link leads. It takes texts as texts and asks nobody for anything.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const short = value => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size >= 1e6 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(5)));
  };

  function ticks(low, high, most, log) {
    if (!(high > low)) return [];
    if (log) {
      const found = [];
      const decades = Math.log10(high / low);
      const parts = decades < 1 ? [1, 2, 3, 5, 7] : decades < 3 ? [1, 2, 5] : [1];
      const every = Math.max(1, Math.ceil(decades / 8));
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += every)
        for (const part of parts) {
          const value = part * 10 ** power;
          if (value >= low * 0.9999 && value <= high * 1.0001) found.push(value);
        }
      return found;
    }
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough) || 10 * power;
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high && found.length < 50; n++) found.push(Number((n * step).toPrecision(12)));
    return found;
  }

  // The running mean that forgets: of n points before, the k-th counts w^k.
  function smoothed(values, weight) {
    let sum = 0, norm = 0;
    return values.map(value => {
      if (value === null) return null;
      sum = sum * weight + value;
      norm = norm * weight + 1;
      return sum / norm;
    });
  }

  class Chart {
    constructor(figure) {
      const data = figure.querySelector("script[type='application/json']");
      this.series = JSON.parse(data.textContent);
      this.plot = figure.querySelector(".plot");
      this.label = this.plot.firstElementChild.getAttribute("aria-label");
      this.options = { logX: "logX" in this.plot.dataset, logY: false, smooth: 0, from: NaN, to: NaN };
      this.readout = make("div", { className: "read" });
      figure.insertBefore(this.controls(), this.plot);
      this.plot.after(this.readout);
      this.plot.addEventListener("pointermove", event => this.read(event));
      this.plot.addEventListener("pointerleave", () => this.readout.textContent = "");
      this.width = 0;
      new ResizeObserver(() => { if (Math.abs(this.plot.clientWidth - this.width) > 1) this.draw(); }).observe(this.plot);
    }
    controls() {
      const name = this.label.split(".")[0];
      const box = (text, key) => make("label", {}, make("input", { type: "checkbox", checked: this.options[key], ariaLabel: text + " of " + name, onchange: event => this.set(key, event.target.checked) }), text);
      const value = make("output", { textContent: "0" });
      const range = make("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: 0, oninput: event => { value.textContent = event.target.value; this.set("smooth", Number(event.target.value)); } });
      const end = (text, key) => make("label", {}, text, make("input", { type: "number", step: "any", onchange: event => this.set(key, event.target.value === "" ? NaN : Number(event.target.value)) }));
      return make("div", { className: "controls" }, box("log x", "logX"), box("log y", "logY"), make("label", {}, "smoothing", range, value), end("from", "from"), end("to", "to"));
    }
    set(key, value) { this.options[key] = value; this.draw(); }
    add(id, points) {
      const series = this.series.find(one => one.id === id);
      // A new curve, or one that has grown long: the page has it thinned.
      if (!series || series.x.length > 5000) return false;
      for (const [x, y] of points) { series.x.push(x); series.y.push(y); }
      this.draw();
      return true;
    }
    draw() {
      const { logX, logY, smooth, from, to } = this.options;
      const width = this.width = Math.max(320, this.plot.clientWidth), height = 280;
      const left = 58, right = 12, top = 10, bottom = 24;
      const fits = (value, log) => value !== null && isFinite(value) && (!log || value > 0);
      let lowX = Infinity, highX = -Infinity, lowY = Infinity, highY = -Infinity;
      const shown = this.series.map(series => {
        const inside = series.x.map((x, n) => fits(x, logX) && !(x < from) && !(x > to) ? n : -1).filter(n => n >= 0);
        const x = inside.map(n => series.x[n]), raw = inside.map(n => fits(series.y[n], logY) ? series.y[n] : null);
        const y = smooth > 0 ? smoothed(raw, smooth) : raw;
        for (const value of x) { lowX = Math.min(lowX, value); highX = Math.max(highX, value); }
        for (const value of raw) if (value !== null) { lowY = Math.min(lowY, value); highY = Math.max(highY, value); }
        return { series, x, y, raw };
      });
      if (!(highX > lowX)) { lowX = isFinite(lowX) ? lowX * 0.9 : logX ? 0.1 : 0; highX = isFinite(highX) && highX > lowX ? highX * 1.1 : lowX + 1; }
      if (!(highY > lowY)) { lowY = isFinite(lowY) ? lowY * 0.9 : logY ? 0.1 : 0; highY = isFinite(highY) && highY > lowY ? highY * 1.1 : lowY + 1; }
      const texts = values => {
        const step = values.length > 1 ? Math.min(...values.slice(1).map((value, n) => Math.abs(value - values[n]))) : 1;
        const size = Math.max(...values.map(Math.abs), 0);
        const digits = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
        return value => size >= 1e6 || size < 1e-4 ? short(value) : value.toFixed(digits);
      };
      const place = (low, high, log, start, end) => log
        ? value => start + Math.log(value / low) / Math.log(high / low) * (end - start)
        : value => start + (value - low) / (high - low) * (end - start);
      const atX = place(lowX, highX, logX, left, width - right), atY = place(lowY, highY, logY, height - bottom, top);
      const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.label });
      const ticksY = ticks(lowY, highY, 5, logY), ticksX = ticks(lowX, highX, Math.max(3, width / 95), logX);
      const textY = logY ? short : texts(ticksY), textX = logX ? short : texts(ticksX);
      for (const value of ticksY) {
        drawing.append(svg("path", { class: "grid", d: `M${left} ${atY(value).toFixed(1)}H${width - right}` }));
        drawing.append(svg("text", { class: "tick", x: left - 6, y: (atY(value) + 4).toFixed(1), "text-anchor": "end" }, textY(value)));
      }
      for (const value of ticksX) {
        drawing.append(svg("path", { class: "grid", d: `M${atX(value).toFixed(1)} ${top}V${height - bottom}` }));
        drawing.append(svg("text", { class: "tick", x: atX(value).toFixed(1), y: height - bottom + 16, "text-anchor": "middle" }, textX(value)));
      }
      const line = (x, y) => {
        let path = "", begun = false;
        x.forEach((value, n) => {
          if (y[n] === null) { begun = false; return; }
          path += `${begun ? "L" : "M"}${atX(value).toFixed(1)} ${atY(y[n]).toFixed(1)}`;
          if (!begun && (n + 1 >= x.length || y[n + 1] === null)) path += "m-3 -3l6 6m0 -6l-6 6";
          begun = true;
        });
        return path;
      };
      shown.forEach(({ x, y, raw }, n) => {
        const look = `curve s${n % 8} d${Math.floor(n / 8)}`;
        if (smooth > 0) drawing.append(svg("path", { class: look + " raw", d: line(x, raw) }));
        drawing.append(svg("path", { class: look, d: line(x, y) }));
      });
      this.view = { shown, lowX, highX, left, right, width, logX };
      this.plot.replaceChildren(drawing);
    }
    read(event) {
      if (!this.view) return;
      const { shown, lowX, highX, left, right, width, logX } = this.view;
      const box = this.plot.getBoundingClientRect();
      const share = ((event.clientX - box.left + this.plot.scrollLeft) / this.plot.scrollWidth * width - left) / (width - left - right);
      const at = logX ? lowX * (highX / lowX) ** share : lowX + share * (highX - lowX);
      const values = [];
      for (const { series, x, y } of shown.slice(0, 6)) {
        let best = -1;
        x.forEach((value, n) => { if (y[n] !== null && (best < 0 || Math.abs(value - at) < Math.abs(x[best] - at))) best = n; });
        if (best >= 0) values.push(`${series.label} ${short(y[best])} at ${short(x[best])}`);
      }
      this.readout.textContent = values.join("  ·  ");
    }
  }

  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let element = target; element; element = element.parentElement) {
      // A filter may have hidden it; and what a link opened no filter closes.
      element.hidden = false;
      if (element.tagName === "DETAILS") { element.open = true; delete element.dataset.found; }
    }
    const inner = target && target.querySelector(":scope > details");
    if (inner) inner.open = true;
    if (target) target.scrollIntoView();
  }

  function start() {
    window.charts = [...document.querySelectorAll("figure.chart")].map(figure => new Chart(figure));
    for (const place of document.querySelectorAll("[data-filter]")) {
      const list = document.getElementById(place.dataset.filter), name = list.tagName === "TABLE" ? "" : "table.wide ";
      const rows = [...list.querySelectorAll(`${name}tbody tr`)];
      // Where a row leads on the page: what is told in full is hidden with it.
      const told = rows.map(row => {
        const place = document.getElementById(row.querySelector("th a")?.hash.slice(1) ?? "");
        return place && place.closest("section, details");
      });
      const input = make("input", { type: "search", oninput: () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        let count = 0;
        rows.forEach((row, n) => {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every(word => text.includes(word));
          if (told[n]) told[n].hidden = row.hidden;
          if (!row.hidden) count++;
        });
        // Lists that are closed show what was found in them.
        for (const shared of list.querySelectorAll("details.shared")) {
          const found = words.length > 0 && shared.querySelector("table.wide tbody tr:not([hidden])") !== null;
          if (found && !shared.open) { shared.open = true; shared.dataset.found = ""; }
          if (!found && "found" in shared.dataset) { shared.open = false; delete shared.dataset.found; }
        }
        said.textContent = words.length ? ` ${count} of ${rows.length}` : "";
      } });
      list.addEventListener("click", event => {
        // A list that the user opens or closes is no more the filter's.
        const summary = event.target.closest("summary");
        if (summary) delete summary.parentElement.dataset.found;
      });
      const said = make("span", { className: "soft", role: "status" });
      place.replaceChildren(make("label", {}, "Filter by name, state or reason ", input), said);
    }
    if (location.hash) reveal();
  }
  addEventListener("hashchange", reveal);
  window.igptFlow = { start };
  start();
})();
