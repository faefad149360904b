// Opens a page in the system's Chromium, light, dark and on a phone's width, and asserts: no request beyond it,
// nothing on the console, no violation that axe-core knows, nothing wider than the window.
//
//   node check.mjs PAGE [FOLDER]      PAGE is a file or an address; screenshots go to FOLDER
//
// The modules are found in NODE_MODULES (a folder), or beside this file.
import { createRequire } from "node:module";
import { readFileSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [page, folder] = process.argv.slice(2);
const require = createRequire(process.env.NODE_MODULES ? join(resolve(process.env.NODE_MODULES), "x.js") : import.meta.url);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const isFile = !/^https?:/.test(page);
const url = isFile ? pathToFileURL(resolve(page)).href : page;
const executablePath = process.env.CHROMIUM || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const faults = [];
for (const [name, options] of [
  ["light", { colorScheme: "light", viewport: { width: 1200, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1200, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
  ["no script", { colorScheme: "light", viewport: { width: 1200, height: 900 }, javaScriptEnabled: false }],
]) {
  const fault = text => faults.push(`${name}: ${text}`);
  const context = await browser.newContext({ ...options, offline: isFile });
  const tab = await context.newPage();
  const origin = isFile ? null : new URL(url).origin;
  tab.on("request", request => {
    const to = request.url();
    const isOwn = to === url || to.startsWith("data:") || (origin && to.startsWith(origin + "/"));
    if (!isOwn) fault(`asked for ${to}`);
  });
  tab.on("console", message => fault(`console: ${message.text()}`));
  tab.on("pageerror", error => fault(`error: ${error.message}`));
  tab.on("dialog", dialog => { fault(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const began = performance.now();
  await tab.goto(url, { waitUntil: "load" });
  const took = Math.round(performance.now() - began);
  if (folder) await tab.screenshot({ path: join(folder, `${name.replace(" ", "-")}.png`), fullPage: true });
  const wide = options.javaScriptEnabled === false ? null : await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) fault(`${wide} px wider than the window`);
  let said = "";
  if (options.javaScriptEnabled !== false) {
    // Axe comes by the debugger, which a page's policy does not bind.
    await tab.evaluate(axe);
    const result = await tab.evaluate(() => {
      // All of them, but on a page of thousands.
      for (const one of [...document.querySelectorAll("details")].slice(0, 300)) one.open = document.querySelectorAll("tr").length < 4000;
      return axe.run(document, { resultTypes: ["violations"] });
    });
    for (const { id, help, nodes } of result.violations)
      fault(`axe ${id}: ${help}: ${nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")} (${nodes.length})`);
    const opened = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (opened > 0) fault(`${opened} px wider than the window with everything open`);
    said = `, ${result.passes.length} rules pass`;
  }
  console.log(`${name}: opened in ${took} ms${said}`);
  await context.close();
}
await browser.close();
faults.forEach(fault => console.log(`FAULT ${fault}`));
process.exit(faults.length ? 1 : 0);
