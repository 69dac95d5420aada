#!/usr/bin/env node
// The WebAssembly compiler of npm's `solc`, behind the few flags of the native `solc` that py-solc-x and forge use:
// `--version` and `--standard-json` (with --base-path, --include-path and --allow-paths). solc's own `solcjs`
// does not do: it prints a line before the JSON.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc"); // found in node_modules at the repository root

const arguments_ = process.argv.slice(2);

if (arguments_.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log("Version: " + solc.version());
} else if (arguments_.includes("--standard-json")) {
  const folders = [""];
  arguments_.forEach((argument, i) => {
    if (argument === "--base-path" || argument === "--include-path") folders.push(arguments_[i + 1]);
  });
  const findImport = (name) => {
    const file = folders.map((folder) => path.join(folder, name)).find((candidate) => fs.existsSync(candidate));
    return file ? { contents: fs.readFileSync(file, "utf8") } : { error: "File not found: " + name };
  };
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: findImport })); // waits, on a pipe
} else {
  console.error("unrecognised option: this front of solc-js knows --version and --standard-json");
  process.exitCode = 1;
}
